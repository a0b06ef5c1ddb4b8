"""`router schema` prints JSON Schemas."""

from __future__ import annotations

import jsonschema
import pytest

from tests.cli.lines import Line


@pytest.mark.parametrize("form", ["topology", "event", "plan", "rule", "common"])
def test_a_schema_is_printed_as_json(line: Line, form: str) -> None:
    ended = line("schema", form)

    assert ended.status == 0
    jsonschema.Draft202012Validator.check_schema(ended.answer)
    assert ended.answer["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_topology_schema_knows_the_shipped_destination_types(line: Line) -> None:
    assert {"settings-file", "settings-webhook"} <= line("schema", "topology").answer["$defs"].keys()
