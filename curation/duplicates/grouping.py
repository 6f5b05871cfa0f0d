"""Turn verified pairs into groups of copies, the same whatever the order of the pairs.

Chains are how false pairs do harm: one picture that resembles two others ties their copies together. So no picture
joins two groups by itself: where a group would fall into pieces of two or more without one member, that member is
a bridge, the pieces stay apart, and people are asked. And every member must reach the group's hub, the member with
most pairs, over at most two verified pairs; those who do not are set apart and grouped again among
themselves. `missing_evidence` names the pairs that could settle either, to be compared before.

Groups beyond 500 are no copies of a photograph but a logo or a placeholder: boilerplate, left alone and reported.
"""

import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

WARN, BLOCK = 50, 500
WITNESSES = 2  # members of each piece that are compared with as many of the other
Pair = tuple[str, str]
_Graph = dict[str, set[str]]


@dataclass(frozen=True)
class Group:
    """Copies of one photograph: members in order of their names, and the member with most pairs."""

    members: tuple[str, ...]
    hub: str

    @property
    def group_id(self) -> str:
        """Name the group by its smallest member."""
        return self.members[0]


@dataclass(frozen=True, order=True)
class Bridge:
    """A picture that alone ties pieces of two or more together; `pieces` are their hubs, its own first."""

    picture: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Groups:
    """Groups of copies, in order of their names; what was kept apart; what is too large to be copies."""

    copies: list[Group] = field(default_factory=list)
    bridges: list[Bridge] = field(default_factory=list)
    boilerplate: list[Group] = field(default_factory=list)


def group(pairs: Iterable[Pair], twins: Iterable[Pair] = ()) -> Groups:
    """Group pictures by verified pairs.

    `twins` are pairs with equal pixels, the one that was compared first: both count as one picture.

    >>> [found.members for found in group([("b", "a"), ("b", "c"), ("x", "y")]).copies]
    [('a', 'b', 'c'), ('x', 'y')]
    >>> group([("a", "b"), ("b", "x"), ("x", "c"), ("c", "d")]).bridges
    [Bridge(picture='x', pieces=('a', 'c'))]
    """
    others: _Graph = defaultdict(set)
    for first, other in twins:
        others[first].add(other)
    graph = _graph(pairs)
    for first in others:
        graph.setdefault(first, set())
    found = Groups()
    parts = _components(graph)
    while parts:
        part = parts.pop()
        inside = _within(graph, part)
        if len(part) <= BLOCK and (bridge := next(_bridges(inside), None)):
            found.bridges.append(Bridge(bridge.picture, bridge.hubs))
            parts += bridge.parts
            continue
        hub = _hub(inside)
        members = _near(inside, hub)
        parts += _components(_within(graph, part - members))
        everyone = Group(tuple(sorted(members.union(*(others[name] for name in members)))), hub)
        if len(everyone.members) > BLOCK:
            found.boilerplate.append(everyone)
        elif len(everyone.members) > 1:
            found.copies.append(everyone)
    for each in (*found.copies, *found.boilerplate):
        _warn(each)
    found.copies.sort(key=lambda each: each.members)
    found.boilerplate.sort(key=lambda each: each.members)
    found.bridges.sort()
    return found


def missing_evidence(pairs: Iterable[Pair]) -> list[Pair]:
    """List pairs that would keep together what `group` takes apart: hub and far members, members across bridges."""
    graph = _graph(pairs)
    wanted: set[Pair] = set()
    for part in _components(graph):
        inside = _within(graph, part)
        hub = _hub(inside)
        if len(near := _near(inside, hub)) > BLOCK:
            continue
        wanted |= {(hub, name) for name in part - near}
        for bridge in _bridges(inside) if len(part) <= BLOCK else ():
            wanted |= bridge.witnesses
    return sorted({(min(pair), max(pair)) for pair in wanted} - _links(graph))


@dataclass(frozen=True)
class _Cut:
    """What becomes of a group without one picture: `parts` (the picture is in the first), hubs of the large pieces."""

    picture: str
    parts: list[set[str]]
    hubs: tuple[str, ...]
    witnesses: set[Pair]


def _bridges(graph: _Graph) -> Iterator[_Cut]:
    """Give the pictures without which a connected group falls into two or more pieces of at least two."""
    if len(graph) < 5:
        return
    for name in sorted(graph):
        if len(graph[name]) < 2:
            continue
        pieces = _components(_within(graph, set(graph) - {name}))
        large = [piece for piece in pieces if len(piece) > 1]
        if len(large) < 2:
            continue
        # It stays with the piece that it has most pairs with; pictures that hang on it alone stay with it.
        large.sort(key=lambda piece: (-len(graph[name] & piece), -len(piece), min(piece)))
        single = set().union(*(piece for piece in pieces if len(piece) == 1))
        ranked = [_ranked(_within(graph, piece)) for piece in large]
        yield _Cut(
            picture=name,
            parts=[large[0] | single | {name}, *large[1:]],
            hubs=tuple(names[0] for names in ranked),
            witnesses={
                pair
                for one, two in itertools.combinations(ranked, 2)
                for pair in itertools.product(one[:WITNESSES], two[:WITNESSES])
            },
        )


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
    seen: set[str] = set()
    parts = []
    for start in sorted(graph):
        if start in seen:
            continue
        part, todo = {start}, [start]
        while todo:
            new = graph[todo.pop()] - part
            part |= new
            todo += new
        seen |= part
        parts.append(part)
    return parts


def _ranked(graph: _Graph) -> list[str]:
    """Sort by number of pairs, then by name."""
    return sorted(graph, key=lambda name: (-len(graph[name]), name))


def _hub(graph: _Graph) -> str:
    return min(graph, key=lambda name: (-len(graph[name]), name))


def _near(graph: _Graph, hub: str) -> set[str]:
    """Give who is at most two pairs away."""
    first = graph[hub] | {hub}
    return first.union(*(graph[name] for name in first))


def _warn(found: Group) -> None:
    size = len(found.members)
    if size > BLOCK:
        log.warning("%d pictures around %s are boilerplate, not copies", size, found.hub)
    elif size > WARN:
        log.warning("a group of %d copies around %s: look at it", size, found.hub)
