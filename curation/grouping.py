"""Turn verified pairs into groups of copies, the same whatever the order of the pairs.

Chains are how false pairs do harm: one picture that resembles two others ties their copies together. So every
member must reach the group's hub, the member with most pairs, over at most two verified pairs; those who
do not are set apart and grouped again among themselves. Groups beyond 500 are no copies of a
photograph but a logo or a placeholder: they are reported and left alone.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

log = logging.getLogger(__name__)

WARN, BLOCK = 50, 500
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


def group(pairs: Iterable[Pair]) -> list[Group]:
    """Group pictures by verified pairs, in order of the groups' names.

    >>> [found.members for found in group([("b", "a"), ("b", "c"), ("x", "y")])]
    [('a', 'b', 'c'), ('x', 'y')]
    >>> [found.members for found in group([("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")])]
    [('a', 'b', 'c', 'd'), ('e', 'f')]
    """
    graph = _graph(pairs)
    groups = []
    parts = _components(graph)
    while parts:
        part = parts.pop()
        inside = {name: graph[name] & part for name in part}
        hub = _hub(inside)
        members = _near(inside, hub)
        groups.append(Group(tuple(sorted(members)), hub))
        rest = part - members
        parts += _components({name: graph[name] & rest for name in rest})
    whole = (found for found in groups if len(found.members) > 1)
    return sorted((found for found in whole if _is_plausible(found)), key=lambda each: each.members)


def far_from_hub(pairs: Iterable[Pair]) -> list[Pair]:
    """List (hub, member) pairs that would keep together a group which `group` takes apart, to be verified."""
    graph = _graph(pairs)
    far = []
    for part in _components(graph):
        hub = _hub({name: graph[name] for name in part})
        far += [(hub, name) for name in part - _near(graph, hub)]
    return sorted(far)


def _graph(pairs: Iterable[Pair]) -> _Graph:
    graph: _Graph = defaultdict(set)
    for left, right in pairs:
        if left != right:
            graph[left].add(right)
            graph[right].add(left)
    return dict(graph)


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


def _hub(graph: _Graph) -> str:
    return min(graph, key=lambda name: (-len(graph[name]), name))


def _near(graph: _Graph, hub: str) -> set[str]:
    """Give who is at most two pairs away."""
    first = graph[hub] | {hub}
    return first.union(*(graph[name] for name in first))


def _is_plausible(found: Group) -> bool:
    size = len(found.members)
    if size > BLOCK:
        log.warning(
            "%d pictures around %s are boilerplate, not copies: left alone", size, found.hub
        )
    elif size > WARN:
        log.warning("a group of %d copies around %s: look at it", size, found.hub)
    return size <= BLOCK
