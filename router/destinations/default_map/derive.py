"""The default mapping of a connector, traced: which field of the event each value of its request comes from.

A connector is code, and nothing beside it could promise to say the same. So it is asked: it maps events whose values
are all different, and each value that it makes is looked up among them and among what the conversions of the mapping
language make of them. Then a field that was found is taken away, and what takes its place is the next one of `first`.
What is written here held for every sample; what the language has no words for is said to be computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
import yaml

from router.destinations.base import Delivery
from router.destinations.default_map.origins import Origins, leaves
from router.destinations.default_map.samples import NOW, OWN, SAMPLES, sample
from router.destinations.http import HttpDestination, HttpRequest, Skip
from router.events.event import CALL_TYPES
from router.mapping.path import MISSING, compile_path, parts_of

ORDER = "Order Completed"
MANY = 10  # fields under their own names: the event is sent as it is, but for the targets that are named
_ALTERNATIVES = 4
_SECTIONS = ("properties", "traits")


class DefaultTarget(NamedTuple):
    """`expression` is None where the value is computed. Target and path that end with `*` mean every other field."""

    expression: Any
    note: str = ""


Targets = dict[str, DefaultTarget]


def default_map(connector: HttpDestination) -> dict[str, Targets | str]:
    """By call type, and for Order Completed where it has targets of its own: targets, or why such events are not sent.

    The connector is used up: it must not send afterwards.
    """
    connector.clock = lambda: NOW
    found: dict[str, Targets | str] = {}
    for call in CALL_TYPES:
        found[call] = _Traced(connector, call).targets()
    order = _Traced(connector, "track", ORDER).targets()
    track = found["track"]
    if isinstance(order, dict) and (isinstance(track, str) or _shape(order) != _shape(track)):
        found[ORDER] = order
    return found


def _shape(targets: Targets) -> dict[str, Any]:
    """What of an order differs from any other event: not the names of its own properties."""
    return {target: one.expression for target, one in targets.items()}


class _Traced:
    """One call type of one connector."""

    def __init__(self, connector: HttpDestination, call: str, name: str = "") -> None:
        self._connector, self._call = connector, call
        self._bodies = [sample(call, number, name) for number in range(SAMPLES)]
        self._origins = Origins(self._bodies)
        self._made: dict[tuple[str, ...], list[dict[str, Any]] | str] = {}

    def targets(self) -> Targets | str:
        made = self._items(())
        if isinstance(made, str):
            return made
        found = self._of(made, ())
        without = self._items(("userId",))
        if not isinstance(without, str):
            more = self._of(without, ("userId",))
            found |= {k: one._replace(note="without a userId") for k, one in more.items() if k not in found}
        return _grouped(found)

    def _of(self, made: Sequence[dict[str, Any]], gone: tuple[str, ...]) -> Targets:
        found: Targets = {}
        for target in dict.fromkeys(name for each in made for name in each):
            values = [each.get(target, MISSING) for each in made]
            if MISSING in values:
                found[target] = DefaultTarget(None, "for some values only")
            else:
                found[target] = DefaultTarget(self._expression(target, values, gone))
        return found

    def _expression(self, target: str, values: Sequence[Any], gone: tuple[str, ...]) -> Any:
        """Where these values come from, one of each sample; None where the language cannot say it."""
        chain: list[Any] = []
        while len(chain) < _ALTERNATIVES and (one := self._origins.of(values, target, gone)) is not None:
            chain.append(one)
            paths = Origins.paths(one)
            removable = paths and not set(paths) & {*gone, "type", "event"}
            made = self._items((*gone, *paths)) if removable else ""
            if isinstance(made, str):
                break
            values = [each.get(target, MISSING) for each in made]
            if MISSING in values:
                break
            gone = (*gone, *paths)
        return None if not chain else chain[0] if len(chain) == 1 else _first(chain)

    def _items(self, gone: tuple[str, ...]) -> list[dict[str, Any]] | str:
        """The values, by their paths, that the connector makes of each sample without these fields, or why of none."""
        if gone not in self._made:
            items: list[dict[str, Any]] = []
            for body in self._bodies:
                made = _made(self._connector, _without(body, gone))
                if isinstance(made, str):
                    self._made[gone] = made
                    return made
                items.append(dict(leaves(made)))
            self._made[gone] = items
        return self._made[gone]


def _made(connector: HttpDestination, body: dict[str, Any]) -> dict[str, Any] | str:
    """The object that stands for the event at the partner: what a map would change, else what the request carries."""
    items: list[dict[str, Any]] = []

    def shaped(event: Delivery, item: dict[str, Any]) -> dict[str, Any]:
        items.append(_copy(item))
        return item

    connector.shaped = shaped  # type: ignore[method-assign]
    kind = str(body["type"])
    event = Delivery(orjson.dumps(body), "p", "web", kind, str(body.get("event", "")), _key(body), body)
    made = connector.mapped([event])
    reason = next((one.reason for one in made if isinstance(one, Skip)), "nothing is made of it")
    if not items:
        items = [item for one in made if isinstance(one, HttpRequest) and isinstance(item := _json(one.body), dict)]
    return items[0] if items else reason


def _key(body: dict[str, Any]) -> str:
    """An idempotency key, which nothing in an event looks like."""
    return blake2b(str(body.get("receivedAt")).encode(), digest_size=16).hexdigest()


def _copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _without(body: dict[str, Any], gone: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = _copy(body)
    for path in gone:
        *above, last = parts_of(path)
        inner = compile_path(".".join(above))(made) if above else made
        if isinstance(inner, dict):
            inner.pop(last, None)
    return made


def _first(chain: Sequence[Any]) -> Any:
    """Several origins as one expression, with one conversion where all have the same."""
    if all(isinstance(one, dict) and set(one) == {"path", "as"} and one["as"] == chain[0]["as"] for one in chain):
        return {"first": [one["path"] for one in chain], "as": chain[0]["as"]}
    return {"first": list(chain)}


def _grouped(targets: Targets) -> Targets:
    """With one line in place of all those of fields that go from one object to another under their own names."""
    found = dict(targets)
    for target, one in targets.items():
        *above, last = target.split(".")
        section = next((each for each in _SECTIONS if one.expression == f"{each}.{OWN}"), None)
        if section is None or last != OWN:
            continue
        prefix = "".join(f"{name}." for name in above)
        for other, line in targets.items():
            if other.startswith(prefix) and line.expression == f"{section}.{other.removeprefix(prefix)}":
                found.pop(other, None)
        found[f"{prefix}*"] = DefaultTarget(f"{section}.*", one.note)
    same = [target for target, one in found.items() if one.expression == target]
    if len(same) < MANY:
        return found
    return {k: one for k, one in found.items() if k not in same} | {"*": DefaultTarget("*")}


def lines(found: Mapping[str, Targets | str]) -> Iterator[str]:
    """As a topology has it under `map`, for people: what the language does not have is a comment."""
    for call, targets in found.items():
        if isinstance(targets, str):
            yield f"  {call}: false    # {targets.replace('_', ' ')}"
            continue
        yield from [f"  {call}:"] if call != ORDER else ["  events:", f"    {call}:"]
        indent = "    " if call != ORDER else "      "
        yield from (indent + _line(target, one) for target, one in targets.items())


def _line(target: str, one: DefaultTarget) -> str:
    if target.endswith("*"):
        where = f"in {target[:-2]}, " if target != "*" else ""
        every = f"every other field of {one.expression[:-2] or 'the event'}, under its own name"
        return f"# {where}{every}{f', {one.note}' if one.note else ''}"
    if one.expression is None:
        return f"# {target}: computed{f', {one.note}' if one.note else ''}"
    return f"{target}: {_flow(one.expression)}{f'    # {one.note}' if one.note else ''}"


def _flow(expression: Any) -> str:
    text = yaml.safe_dump(expression, default_flow_style=True, width=1000, sort_keys=False)
    return text.removesuffix("...\n").strip()
