"""Turn verified pairs into groups of copies, independent of the order of the pairs.

False pairs do harm by chains: one picture that resembles two others connects their copies. Two rules prevent that.
First, no single picture connects two groups. Where a group without one member falls into pieces of two or more, that
member is a bridge: the pieces stay separate groups, and the bridge becomes an issue for people. It is not a bridge
between pieces with each of which it has a strong pair: both pictures agree nearly everywhere and pixel by pixel, so
what resembles one resembles the other. Second, every member must reach the group's hub, the member with most pairs,
over at most two verified pairs; steps over strong pairs do not count. Members farther away are grouped again among
themselves. `missing_pairs` names further pairs whose verification decides both.

A group of more than 500 is not copies of a photograph but a logo or a placeholder: boilerplate, which is reported and
not changed.
"""

import itertools
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

WARN, BLOCK = 50, 500
WITNESSES = 3  # members of each piece that are compared with as many of the other piece
Pair = tuple[str, str]
_Graph = dict[str, set[str]]


@dataclass(frozen=True)
class Group:
    """Copies of one photograph: members sorted by name, and the member with most pairs."""

    members: tuple[str, ...]
    hub: str

    @property
    def group_id(self) -> str:
        """Name the group by its smallest member."""
        return self.members[0]


@dataclass(frozen=True, order=True)
class Bridge:
    """A picture that alone connects pieces of two or more; `pieces` are their hubs, its own first."""

    picture: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Grouping:
    """Groups of copies, sorted by name; the bridges between them; groups that are too large to be copies."""

    copies: list[Group] = field(default_factory=list)
    bridges: list[Bridge] = field(default_factory=list)
    boilerplate: list[Group] = field(default_factory=list)


def group(
    pairs: Iterable[Pair], twins: Iterable[Pair] = (), strong: Collection[Pair] = frozenset()
) -> Grouping:
    """Group pictures by verified pairs.

    `twins` are pairs with equal pixels, the picture that was compared first: both count as one picture. `strong` are
    those of the pairs that agree nearly everywhere and pixel by pixel.

    >>> [each.members for each in group([("b", "a"), ("b", "c"), ("x", "y")]).copies]
    [('a', 'b', 'c'), ('x', 'y')]
    >>> group([("a", "b"), ("b", "x"), ("x", "c"), ("c", "d")]).bridges
    [Bridge(picture='x', pieces=('a', 'c'))]
    >>> group([("a", "b"), ("b", "x"), ("x", "c"), ("c", "d")], strong=[("b", "x"), ("c", "x")]).bridges
    []
    """
    twins_of: _Graph = defaultdict(set)
    for first, other in twins:
        twins_of[first].add(other)
    graph, links = _graph(pairs), _graph(strong)
    for first in twins_of:
        graph.setdefault(first, set())
    result = Grouping()
    parts = _components(graph)
    while parts:
        part = parts.pop()
        inside = _within(graph, part)
        if len(part) <= BLOCK and (bridge := next(_bridges(inside, links), None)):
            result.bridges.append(Bridge(bridge.picture, bridge.hubs))
            parts += bridge.parts
            continue
        hub = _hub(inside)
        members = _near(inside, hub, links)
        parts += _components(_within(graph, part - members))
        whole = Group(tuple(sorted(members.union(*(twins_of[name] for name in members)))), hub)
        if len(whole.members) > BLOCK:
            result.boilerplate.append(whole)
        elif len(whole.members) > 1:
            result.copies.append(whole)
    for each in (*result.copies, *result.boilerplate):
        _warn(each)
    result.copies.sort(key=lambda each: each.members)
    result.boilerplate.sort(key=lambda each: each.members)
    result.bridges.sort()
    return result


def missing_pairs(pairs: Iterable[Pair], strong: Collection[Pair] = frozenset()) -> list[Pair]:
    """List the pairs that would keep together what `group` separates: hub and far members, members across bridges."""
    graph, links = _graph(pairs), _graph(strong)
    pairs_needed: set[Pair] = set()
    for part in _components(graph):
        inside = _within(graph, part)
        hub = _hub(inside)
        if len(near := _near(inside, hub, links)) > BLOCK:
            continue
        pairs_needed |= {(hub, name) for name in part - near}
        for bridge in _bridges(inside, links) if len(part) <= BLOCK else ():
            pairs_needed |= bridge.witnesses
    return sorted({(min(pair), max(pair)) for pair in pairs_needed} - _links(graph))


def hubs(pairs: Iterable[Pair]) -> dict[str, str]:
    """Map each picture of the pairs to the picture of its connected group that has most pairs.

    >>> hubs([("b", "a"), ("b", "c")])
    {'a': 'b', 'b': 'b', 'c': 'b'}
    """
    graph = _graph(pairs)
    parts = ((part, _hub(_within(graph, part))) for part in _components(graph))
    return {name: hub for part, hub in parts for name in sorted(part)}


@dataclass(frozen=True)
class _BridgeSplit:
    """A group split at a bridge: `parts` (the bridge is in the first), and the hubs of the large pieces."""

    picture: str
    parts: list[set[str]]
    hubs: tuple[str, ...]
    witnesses: set[Pair]


def _bridges(graph: _Graph, links: _Graph) -> Iterator[_BridgeSplit]:
    """Give the pictures without which a connected group falls into two or more pieces of at least two members.

    Pieces with which the picture has strong pairs (`links`) count as one.
    """
    if len(graph) < 5:
        return
    for name in sorted(graph):
        if len(graph[name]) < 2:
            continue
        pieces = _components(_within(graph, set(graph) - {name}))
        large = _united([piece for piece in pieces if len(piece) > 1], links.get(name, set()))
        if len(large) < 2:
            continue
        # The bridge goes to the piece with which it has most pairs; pictures connected to it alone go with it.
        large.sort(key=lambda piece: (-len(graph[name] & piece), -len(piece), min(piece)))
        single = set().union(*(piece for piece in pieces if len(piece) == 1))
        ranked = [_ranked(_within(graph, piece)) for piece in large]
        yield _BridgeSplit(
            picture=name,
            parts=[large[0] | single | {name}, *large[1:]],
            hubs=tuple(names[0] for names in ranked),
            witnesses={
                pair
                for one, two in itertools.combinations(ranked, 2)
                for pair in itertools.product(one[:WITNESSES], two[:WITNESSES])
            },
        )


def _united(pieces: list[set[str]], linked: set[str]) -> list[set[str]]:
    """Merge the pieces that have one of the linked pictures."""
    firm = [piece for piece in pieces if piece & linked]
    others = [piece for piece in pieces if not piece & linked]
    return [set().union(*firm), *others] if firm else others


def _graph(pairs: Iterable[Pair]) -> _Graph:
    graph: _Graph = defaultdict(set)
    for left, right in pairs:
        if left != right:
            graph[left].add(right)
            graph[right].add(left)
    return dict(graph)


def _within(graph: _Graph, part: set[str]) -> _Graph:
    return {name: graph[name] & part for name in part}


def _links(graph: _Graph) -> set[Pair]:
    return {(name, other) for name, others in graph.items() for other in others if name < other}


def _components(graph: _Graph) -> list[set[str]]:
    visited: set[str] = set()
    parts = []
    for start in sorted(graph):
        if start in visited:
            continue
        part, queue = {start}, [start]
        while queue:
            new = graph[queue.pop()] - part
            part |= new
            queue += new
        visited |= part
        parts.append(part)
    return parts


def _ranked(graph: _Graph) -> list[str]:
    """Sort by number of pairs, most first, then by name."""
    return sorted(graph, key=lambda name: (-len(graph[name]), name))


def _hub(graph: _Graph) -> str:
    return min(graph, key=lambda name: (-len(graph[name]), name))


def _near(graph: _Graph, hub: str, links: _Graph) -> set[str]:
    """Give the members that are at most two pairs away from the hub; steps over strong pairs do not count."""
    near = _linked({hub}, graph, links)
    for _ in range(2):
        near = _linked(near.union(*(graph[name] for name in near)), graph, links)
    return near


def _linked(names: set[str], graph: _Graph, links: _Graph) -> set[str]:
    """Add what strong pairs of the graph connect with the names."""
    linked, queue = set(names), list(names)
    while queue:
        name = queue.pop()
        new = (links.get(name, set()) & graph.get(name, set())) - linked
        linked |= new
        queue += new
    return linked


def _warn(group: Group) -> None:
    size = len(group.members)
    if size > BLOCK:
        log.warning("%d pictures around %s are boilerplate, not copies", size, group.hub)
    elif size > WARN:
        log.warning("a group of %d copies around %s: look at it", size, group.hub)
