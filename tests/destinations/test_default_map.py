"""The default map that `router destinations show` prints is what the connector does, for every type that ships."""

from __future__ import annotations

from typing import Any

import pytest

from router.destinations.base import Connector
from router.destinations.default_map import default_map_of, derive, lines, samples, with_examples
from router.destinations.default_map.origins import leaves
from router.destinations.http import HttpDestination
from router.destinations.registry import destination_types
from router.events.event import CALL_TYPES
from router.mapping.mapping import Mapping

HTTP = {name: cls for name, cls in destination_types().items() if issubclass(cls, HttpDestination)}


def written(targets: derive.Targets) -> dict[str, Any]:
    """What of a call's targets is in the mapping language, and holds for an event with all its ids."""
    return {
        target: one.expression
        for target, one in targets.items()
        if one.expression is not None and not one.note and not target.endswith("*")
    }


@pytest.mark.parametrize("name", sorted(HTTP))
def test_what_is_printed_makes_of_an_event_what_the_connector_makes(name: str) -> None:
    """Each expression is compiled and run, on an event that lacks some fields."""
    connector, found = with_examples(HTTP[name]), default_map_of(HTTP[name])
    assert isinstance(connector, HttpDestination)
    assert found is not None
    connector.clock = lambda: samples.NOW
    for call, targets in found.items():
        kind, event = ("track", call) if call == derive.ORDER else (call, "")
        body = samples.sample(kind, 1, event)
        del body["context"]["locale"], body["context"]["campaign"]["term"]
        made = derive._made(connector, body)
        if isinstance(targets, str):
            assert made == targets
            continue
        expected = dict(leaves(made))
        expressions = {k: v for k, v in written(targets).items() if k in expected}
        problems: list[str] = []
        for target, expression in expressions.items():
            mapped = Mapping({"x": expression}).apply(body)
            problems += mapped.problems
            assert (target, mapped.values.get("x")) == (target, expected[target])
        assert problems == []


@pytest.mark.parametrize("name", sorted(HTTP))
def test_every_value_that_is_sent_has_its_line(name: str) -> None:
    connector, found = with_examples(HTTP[name]), default_map_of(HTTP[name])
    assert isinstance(connector, HttpDestination)
    assert found is not None
    assert [*CALL_TYPES, derive.ORDER][: len(found)] == list(found)
    assert len(list(lines(found))) >= len(found)
    connector.clock = lambda: samples.NOW
    for call in CALL_TYPES:
        targets = found[call]
        if not isinstance(targets, str):
            every = tuple(target[:-1] for target in targets if target.endswith("*"))
            sent = [path for path, _ in leaves(derive._made(connector, samples.sample(call, 0)))]
            assert [path for path in sent if path not in targets and not path.startswith(every)] == []


def test_the_lines_of_a_person() -> None:
    found = default_map_of(destination_types()["customerio"])
    assert found is not None

    text = list(lines({"identify": found["identify"], "alias": found["alias"]}))

    assert text[:4] == [
        "  identify:",
        "    type: {value: person}",
        "    action: {value: identify}",
        "    identifiers.id: userId",
    ]
    assert "    attributes.email: {first: [traits.email, context.traits.email]}" in text
    assert "    # in attributes, every other field of traits, under its own name" in text
    assert text[-1] == "    secondary.id: previousId"


def test_conversions_and_what_the_language_cannot_say_are_told_apart() -> None:
    ads = default_map_of(destination_types()["facebook-conversions"])
    klaviyo = default_map_of(destination_types()["klaviyo"])
    assert ads is not None
    assert klaviyo is not None
    track, order = ads["track"], klaviyo[derive.ORDER]
    assert isinstance(track, dict)
    assert isinstance(order, dict)

    assert track["user_data.ph"].expression == {"path": "context.traits.phone", "as": "meta_phone"}
    assert ads["identify"] == "unsupported_type"
    assert any(one.expression is None for one in order.values())


def test_a_connector_without_requests_has_none() -> None:
    class Bare(Connector):
        async def send(self, batch: Any) -> Any:
            return []

        Settings = destination_types()["file"].Settings

    assert default_map_of(destination_types()["kafka"]) is None
    assert default_map_of(Bare) is None
