"""Events that the scanner gives one digest of faults have the same findings, whatever their plan."""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Any

import numpy as np
import pytest

from router.native.automaton import Uncertain
from router.native.library import native
from router.native.scanner import ALWAYS_JUDGED, ASK, ASKS_FORMAT, BREAKS, JUDGED, NOT_TAKEN, KindOf
from router.native.tables import FORMATS
from router.plan import Plan, compile_plan
from router.plan.compiled_rule import CompiledRule, Finding
from router.plan.keywords import DRAFTS
from router.plan.model import Rule
from tests.native.scanning import opened, scanned, value

pytestmark = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")

NAMES = ("a", "b", "ü", "longer name")
LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 1.0, 1.5, -2.5, 10**14, "", "x", "xy", "xyz", "é", "ééé", "A", "a b", "\n"),
    *("2026-11-27T10:00:00Z", "yesterday", "2026-11-27t10:00:00z", "2026-02-30T00:00:00Z", "ada@example.com", [], {}),
    *("a@b", '"q q"@b.co', "@", "https://b.co", "/a", "urn:a:b", "ü@b.co", 'a"@b.co'),
)


def schema(chance: random.Random, level: int = 0) -> Any:
    """One that the tables hold, but now and then."""
    if level > 2 or chance.random() < 0.1:
        return True
    made: dict[str, Any] = {}
    if chance.random() < 0.6:
        types = ("string", "integer", "number", "boolean", "null", "array", "object")
        made["type"] = chance.choice(types) if chance.random() < 0.6 else chance.sample(types, 2)
    for keyword, values in (
        ("minimum", (0, 1, 1.5)), ("exclusiveMaximum", (3, 1.5)), ("minLength", (1, 2)), ("maxLength", (2, 0)),
        ("pattern", ("^[a-z]+$", "x")), ("format", ("date-time", "email", "uri")),
        ("enum", (["x", "é"], ["A", "xy", ""])),
    ):  # fmt: skip
        if chance.random() < 0.12:
            made[keyword] = chance.choice(values)
    if chance.random() < 0.7 if level < 2 else 0:
        made["properties"] = {name: schema(chance, level + 1) for name in chance.sample(NAMES, 2)}
    if chance.random() < 0.3:
        made["required"] = chance.sample(NAMES, chance.randint(1, 2))
    if chance.random() < 0.25:
        made["additionalProperties"] = chance.choice((False, True, schema(chance, level + 1)))
    if chance.random() < 0.25:
        made["items"] = schema(chance, level + 1)
    if chance.random() < 0.15:
        made["allOf"] = [schema(chance, level + 1)]
    return made


def section(chance: random.Random) -> dict[str, Any]:
    return {name: value(chance, NAMES, LEAVES) for name in chance.sample((*NAMES, "other", "o"), chance.randint(0, 4))}


def answers(nodes: list[list[Any]], broken: int, values: list[dict[str, Any]]) -> tuple[list[Hashable], list[bool]]:
    """How each event breaks its plan, None where it keeps it or is not taken; and which keep it for sure.

    `nodes` are the schemas of both sections.
    """
    scanner = opened()
    section, context = (scanner.nodes.node(schemas) for schemas in nodes)
    scanner.add(KindOf(0, "track", "A", b'"p"', b"e\0web\0", section, context, broken=broken))
    common = {"type": "track", "event": "A", "messageId": "m", "userId": "u"}
    found = scanned(scanner, (common | each for each in values))
    ways: list[Hashable] = []
    keeps = []
    for at, (kind, more) in enumerate(zip(found.kinds.tolist(), found.rows["more"].tolist(), strict=True)):
        asked = next(found.asked(np.array([at]))) if kind != NOT_TAKEN and more & ASKS_FORMAT else []
        taken = kind != NOT_TAKEN
        right = [is_of(number, text) for number, text in asked]
        breaks = taken and (more & BREAKS or not all(right))
        ways.append((found.breaches["digest"][at].tobytes(), *right) if breaks else None)
        keeps.append(taken and not breaks and not more & ASK)
    return ways, keeps


def is_of(number: int, text: str) -> bool:
    schema = {"format": list(FORMATS)[number - 1]}
    found = {bool(draft.validator(schema, validate_formats=True).is_valid(text)) for draft in DRAFTS}
    assert len(found) == 1, (schema, text)  # in all drafts alike
    return found.pop()


def schemas_of(rule: CompiledRule, name: str) -> list[Any]:
    """As router/agents/scan_kinds.py has them."""
    made: list[Any] = [held[name].standalone() for held in (rule.own, rule.common) if name in held]
    return [*made, rule.names] if rule.names and name != "context" else made


def test_one_digest_means_the_same_findings() -> None:
    held = judged = shared = 0
    for seed in range(700):
        chance = random.Random(seed)
        own, common, context = schema(chance), schema(chance), schema(chance)
        rule = Rule("track", "A", schemas={"properties": own}, file="events/a.yaml")
        plan = Plan("p", (rule,), common={"context": context} | ({"properties": common} if seed % 3 == 0 else {}))
        compiled = compile_plan(plan).find({"type": "track", "event": "A"})
        values = [{"properties": section(chance), "context": section(chance)} for _ in range(60)]
        schemas = [schemas_of(compiled, name) for name in ("properties", "context")]
        try:
            found, conforming = answers(schemas, JUDGED, values)
        except Uncertain:
            continue
        held += 1
        known: dict[Hashable, list[Finding]] = {}
        for each, digest, taken in zip(values, found, conforming, strict=True):
            findings = compiled.findings({"type": "track", "event": "A", **each})
            assert not (taken and findings), (seed, each)
            if digest is not None:
                judged += 1
                shared += digest in known
                assert findings, (seed, each)
                assert known.setdefault(digest, findings) == findings, (seed, each)
    assert held > 300
    assert judged > 5_000
    assert shared > 2_000


SHOP = {
    "type": "object",
    "required": ["total", "note"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD"]},
        "code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3},
        "items": {"type": "array", "items": {"required": ["id"], "properties": {"id": {"type": "string"}}}},
        "at": {"format": "date-time"},
        "n": {"type": "integer"},
        "note": {},
        "mails": {"items": {"format": "email"}},
    },
    "additionalProperties": False,
}
SAME = [
    ({"total": "a"}, {"total": "bcd"}),
    ({"total": -1}, {"total": -25}),
    ({"currency": "DEM"}, {"currency": "FRF"}),
    ({"code": "a"}, {"code": "zz"}),
    ({"total": 1, "more": 1}, {"total": 3.25, "more": [2]}),
    ({"at": "yesterday", "more": 1}, {"at": "2026-02-30T00:00:00Z", "more": 2}),
    ({"mails": ["nobody", "a@b"] * 2}, {"mails": ["@", '"q q"@b.co', "?", "a@b"]}),
    ({"items": [{"id": "a"}, {"id": 1, "n": 5}]}, {"items": [{"id": "b", "n": 2}, {"id": 22}, {"id": "c"}]}),
    ({"x" * 50 + str(name): 1 for name in range(10)}, {"x" * 50 + str(name): 2 for name in range(10)}),
]
OTHER = [
    ({"total": "a"}, {"total": True}),
    ({"more": 1, "note": 1}, {"more": 1}),
    ({"total": -1}, {"total": -2.5}),
    ({"more": 1}, {"moer": 1}),
    ({"code": "abcd"}, {"code": "abc"}),
    ({"at": "yesterday", "more": 1}, {"at": "2026-11-27t10:00:00z", "more": 1}),
    ({"items": [{}, {"id": "a"}]}, {"items": [{"id": "a"}, {}]}),
    ({"items": [{"id": 1}]}, {"items": [{"id": 1.5}]}),
    ({"x" * 50 + str(name): 1 for name in range(10)}, {"x" * 50 + str(name): 1 for name in range(1, 11)}),
]
UNKNOWN: list[dict[str, Any]] = [
    {"code": "é"}, {"n": 1.0}, {"n": "x", "currency": "\n"},
    {"x" * 300 + str(number): 1 for number in range(4)}, {"mails": ["nobody"] * 5},
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_in_values_alone_has_one_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    (first, second), _ = answers([[SHOP], []], JUDGED, [{"properties": one}, {"properties": other}])

    assert first is not None
    assert first == second


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_is_wrong_in_another_way_has_another(one: dict[str, Any], other: dict[str, Any]) -> None:
    (first, second), _ = answers([[SHOP], []], JUDGED, [{"properties": one}, {"properties": other}])

    assert None not in (first, second)
    assert first != second


@pytest.mark.parametrize("properties", UNKNOWN, ids=str)
def test_what_is_not_known_for_sure_has_none(properties: dict[str, Any]) -> None:
    assert answers([[SHOP], []], JUDGED, [{"properties": properties}])[0] == [None]


def test_a_fault_of_the_context_is_not_one_of_the_properties() -> None:
    same = {"properties": {"a": {"type": "string"}}}
    values = [{"properties": {"a": 1}, "context": {}}, {"properties": {}, "context": {"a": 1}}]

    (one, other), _ = answers([[same], [same]], JUDGED, values)

    assert None not in (one, other)
    assert one != other


def test_of_events_that_no_plan_knows_each_has_one() -> None:
    strict = {"properties": {"a": {"type": "string"}}}

    found, _ = answers([[strict], []], ALWAYS_JUDGED, [{}, {"properties": {"a": "x"}}, {"properties": {"a": 1}}])

    assert found[0] == found[1] is not None
    assert found[2] not in (None, found[0])
