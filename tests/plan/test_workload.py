"""References that multiply are found, whatever their form; those that only repeat or recurse are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.plan.folders import lines, load


def event(schema: object) -> dict[str, str | bytes]:
    return {"events/a.yaml": yaml.safe_dump({"type": "track", "event": "A B", "properties": schema})}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def chain(link: object, length: int = 30) -> dict[str, object]:
    """$defs d0 to dN, each made from the next by `link`."""
    definitions = {f"d{number}": link(ref(f"d{number + 1}")) for number in range(length)}  # type: ignore[operator]
    return {"$defs": {**definitions, f"d{length}": {"type": "string"}}, "allOf": [ref("d0")]}


AGAIN = {"$ref": "#"}
UNDER_A = {"properties": {"a": AGAIN}}


@pytest.mark.parametrize(
    "schema",
    [
        chain(lambda below: {"allOf": [below, below]}),
        chain(lambda below: {"anyOf": [below, {"not": below}]}),
        chain(lambda below: {"properties": {"a": {"allOf": [below, below]}}}),
        chain(lambda below: {"allOf": [{"properties": {"a": below}}, {"patternProperties": {"a": below}}]}),
        chain(lambda below: {"allOf": [{"items": below}, {"contains": below}]}),
        {"properties": {"a": {"allOf": [AGAIN, AGAIN]}}},
        {"additionalProperties": {"anyOf": [AGAIN, {"oneOf": [AGAIN]}]}},
        {"allOf": [UNDER_A, {"additionalProperties": AGAIN}, UNDER_A]},
        {"allOf": [{"minLength": number} for number in range(2500)]},
    ],
)
def test_what_multiplies_is_refused_with_a_place(tmp_path: Path, schema: object) -> None:
    (line,) = lines(tmp_path, event(schema))

    assert line.startswith("events/a.yaml:")
    assert "at most 2000 times, got references that multiply" in line


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"left": AGAIN, "right": AGAIN}},
        {"anyOf": [{"properties": {"and": {"items": AGAIN}}}, {"properties": {"or": {"items": AGAIN}}}]},
        {"type": ["object", "array"], "items": AGAIN, "additionalProperties": AGAIN},
        chain(lambda below: {"properties": {"a": below, "b": below}}),
        chain(lambda below: {"allOf": [below]}, 500),
        {"$defs": {"x": {"type": "string"}}, "properties": {f"p{n}": ref("x") for n in range(3000)}},
    ],
)
def test_what_only_repeats_or_recurses_passes(tmp_path: Path, schema: object) -> None:
    assert load(tmp_path, event(schema)).rules
