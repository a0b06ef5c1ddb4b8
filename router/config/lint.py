"""What is wrong between the parts of a topology, though each part may be right by itself.

Reads the tree, not the models, so that a fault of form in one part hides nothing here; values of a wrong form are
passed over, since validation names them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase

from router.config import shape_lint
from router.config.models import chosen
from router.config.pulled import PULLED
from router.config.substitution import Scalar
from router.config.tree import Node
from router.document import nearest
from router.errors import Problem
from router.events.topics import Topics
from router.fql import FqlError, compile_query
from router.partner_sources.catalog import PARTNER_SOURCES, SEGMENT

_MIRROR = " (in another cluster: settings.mirror: true)"
SOURCE_TYPES = sorted({SEGMENT, *PARTNER_SOURCES, *PULLED})


def problems(root: Node) -> Iterator[Problem]:
    """Contradictions, which end a command with status 1."""
    sources, destinations = shape_lint.members(root, "sources"), shape_lint.members(root, "destinations")
    yield from _source_types(sources)
    yield from _source_maps(sources)
    yield from _write_keys(sources)
    yield from _source_topics(root, sources, [name for name, _ in destinations])
    yield from _loops(root, sources, destinations)
    yield from _exactly_once(root, destinations)
    yield from _references(root, sources)
    yield from _events_and_except(destinations)
    yield from shape_lint.problems(root, sources, destinations)


def warnings(root: Node, events: Mapping[str, Collection[str]], *, bootstrap: bool) -> Iterator[Problem]:
    """What works but is hardly meant. `events` has the names that the plan of each source with a plan knows."""
    sources, destinations = shape_lint.members(root, "sources"), shape_lint.members(root, "destinations")
    yield from _globs_without_match([name for name, _ in sources], destinations)
    yield from _enforced_without_plan(sources)
    yield from _events_without_rule([name for name, _ in sources], destinations, events)
    yield from shape_lint.warnings(destinations)
    if bootstrap:
        yield from _default_write_keys(sources)


def _texts(node: Node, key: str) -> list[tuple[str, Node]]:
    """The texts of the list under a key."""
    child = node.child(key)
    items = child.value if child is not None and isinstance(child.value, list) else []
    return [(str(item.plain()), item) for item in items if isinstance(item.plain(), str) or _scalar(item)]


def _text(node: Node, *path: str) -> tuple[str, Node] | None:
    found, rest = node.find(path)
    value = found.plain()
    return (value, found) if not rest and isinstance(value, str) else None


def _scalar(node: Node) -> Scalar | None:
    return node.value if isinstance(node.value, Scalar) else None


def _source_types(sources: list[shape_lint.Named]) -> Iterator[Problem]:
    for _, node in sources:
        kind = _text(node, "type")
        if kind and kind[0] not in SOURCE_TYPES:
            hint = nearest(kind[0], SOURCE_TYPES)
            known = "a source type" if hint else f"one of {', '.join(SOURCE_TYPES)}"
            yield kind[1].problem(f"expected {known}, got {kind[0]}", hint)


def _source_maps(sources: list[shape_lint.Named]) -> Iterator[Problem]:
    """A map that nothing would read, and a query's rows that nothing would make events of."""
    for _, node in sources:
        kind, given = _text(node, "type"), node.child("map")
        name = kind[0] if kind else SEGMENT
        if name in PULLED:
            objects = _text(node, "settings", "objects")
            if given is None and objects is None:
                yield node.problem("expected map, or settings.objects, got neither", at_key=True)
            elif given is not None and objects is not None:
                yield given.problem("expected map or settings.objects, got both", at_key=True)
            continue
        if given is not None and name in SOURCE_TYPES and not (name in PARTNER_SOURCES and PARTNER_SOURCES[name].maps):
            yield given.problem(f"expected no map, got one: a {name} source has a mapping of its own", at_key=True)


def _write_keys(sources: list[shape_lint.Named]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, node in sources:
        for key, at in _texts(node, "write_keys"):
            owner = owners.setdefault(key, name)
            if not key:
                yield at.problem("expected a write key, got an empty text")
            elif owner != name:
                yield at.problem(f"expected a write key of its own, got one that source {owner} has too")


def _source_topics(root: Node, sources: list[shape_lint.Named], destinations: list[str]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    ours = _own_topics(root, destinations)
    for source, node in sources:
        seen: set[str] = set()
        for topic, at in _texts(node, "topics"):
            owner = owners.setdefault(topic, source)
            if topic in ours:
                yield at.problem(f"expected a topic of yours, got {topic}, which is the router's own")
            elif owner != source:
                yield at.problem(f"expected a topic of its own, got {topic}, which source {owner} has too")
            elif topic in seen:
                yield at.problem(f"expected each topic once, got {topic} twice")
            seen.add(topic)


def _own_topics(root: Node, destinations: list[str]) -> set[str]:
    prefix, name = _text(root, "topics", "prefix"), _text(root, "name")
    return {spec.name for spec in Topics(name[0] if name else "", prefix[0] if prefix else "").specs(destinations)}


def _of_type_kafka(destinations: list[shape_lint.Named]) -> Iterator[Node]:
    for _, node in destinations:
        kind = _text(node, "type")
        if kind and kind[0] == "kafka":
            yield node


def _loops(root: Node, sources: list[shape_lint.Named], destinations: list[shape_lint.Named]) -> Iterator[Problem]:
    """Events that a destination writes to where they come from would come again for ever."""
    ours = _own_topics(root, [name for name, _ in destinations])
    owners = {topic: source for source, node in sources for topic, _ in _texts(node, "topics")}
    for node in _of_type_kafka(destinations):
        topic = _text(node, "settings", "topic")
        if topic is None or _yes(node, "settings", "mirror"):
            continue
        taken = [glob for glob, _ in _texts(node, "sources")]
        source = owners.get(topic[0], "")
        if topic[0] in ours:
            yield topic[1].problem(f"expected a topic of yours, got {topic[0]}, which is the router's own{_MIRROR}")
        elif source and chosen(taken, source):
            yield topic[1].problem(
                f"expected a topic that none of its sources reads, got {topic[0]}: what it writes there comes back as "
                f"events of source {source}, for ever{_MIRROR}"
            )


def _exactly_once(root: Node, destinations: list[shape_lint.Named]) -> Iterator[Problem]:
    guarantee = _text(root, "guarantee")
    for node in _of_type_kafka(destinations):
        if guarantee and guarantee[0] == "at_least_once" and _yes(node, "settings", "exactly_once"):
            given, _ = node.find(("settings", "exactly_once"))
            yield given.problem("expected guarantee: exactly_once for it, got at_least_once")


def _yes(node: Node, *path: str) -> bool:
    found, rest = node.find(path)
    return not rest and found.plain() is True


def _references(root: Node, sources: list[shape_lint.Named]) -> Iterator[Problem]:
    """Names of sources, where something else refers to one."""
    known = [name for name, _ in sources]
    default = _text(root, "default_source")
    if default and default[0] not in known:
        yield _no_such_source(*default, known)
    for name, node in sources:
        for key in ("forward_blocked_to", "forward_violations_to"):
            target = _text(node, "enforce", key)
            if target and target[0] == name:
                yield target[1].problem(f"expected another source, got {name} itself")
            elif target and target[0] not in known:
                yield _no_such_source(*target, known)


def _no_such_source(name: str, at: Node, known: list[str]) -> Problem:
    hint = nearest(name, known)
    return at.problem(f"expected {'a source' if hint or not known else 'one of ' + ', '.join(known)}, got {name}", hint)


def _events_and_except(destinations: list[shape_lint.Named]) -> Iterator[Problem]:
    for _, node in destinations:
        excluded = node.child("except")
        if _texts(node, "events") and excluded is not None and _texts(node, "except"):
            yield excluded.problem("expected either events or except, got both", at_key=True)


def _globs_without_match(known: list[str], destinations: list[shape_lint.Named]) -> Iterator[Problem]:
    for _, node in destinations:
        for glob, at in _texts(node, "sources"):
            pattern = glob.removeprefix("!")
            if not any(fnmatchcase(source, pattern) for source in known):
                message = f"expected a glob that matches a source, got {glob}, which matches none"
                yield at.problem(message, nearest(pattern, known))


def _enforced_without_plan(sources: list[shape_lint.Named]) -> Iterator[Problem]:
    for _, node in sources:
        enforce = node.child("enforce")
        if enforce is not None and enforce.pointer[:1] != ("defaults",) and node.child("plan") is None:
            yield enforce.problem("expected a plan beside it, got none: nothing is enforced", at_key=True)


def _events_without_rule(
    known: list[str], destinations: list[shape_lint.Named], events: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """Names of events that no plan knows, where every source of the destination has a plan."""
    for _, node in destinations:
        globs = [glob for glob, _ in _texts(node, "sources")]
        sources = [source for source in known if chosen(globs, source)]
        planned = {event for source in sources for event in events.get(source, ())}
        if not all(source in events for source in sources) or not sources:
            continue
        for event, at in [*_texts(node, "events"), *_texts(node, "except"), *_filtered_events(node)]:
            if event not in planned:
                message = f"expected an event that a plan of its sources knows, got {event}"
                yield at.problem(message, nearest(event, planned))


def _filtered_events(destination: Node) -> Iterator[tuple[str, Node]]:
    """The event names that the destination's filters compare with."""
    filters = destination.child("filters")
    for each in filters.value if filters is not None and isinstance(filters.value, list) else []:
        if query := _text(each, "if"):
            with suppress(FqlError):  # named by validation
                yield from ((event, query[1]) for event in sorted(compile_query(query[0]).events))


def _default_write_keys(sources: list[shape_lint.Named]) -> Iterator[Problem]:
    for _, node in sources:
        for _, at in _texts(node, "write_keys"):
            scalar = _scalar(at)
            if scalar and scalar.defaulted:
                yield at.problem("expected a write key from the environment, got the default that stands in the file")
