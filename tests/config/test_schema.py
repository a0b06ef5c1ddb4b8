"""The JSON Schema for editors agrees with what the loader takes."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from router.config.schema import topology_schema
from router.destinations.registry import destination_types
from router.document import parse
from tests.config.topologies import REGISTRY


def errors(text: str) -> list[str]:
    schema = topology_schema(REGISTRY)
    found = jsonschema.Draft202012Validator(schema).iter_errors(parse(text.encode(), "t").data)
    return [error.json_path for error in found]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(topology_schema(destination_types()))


@pytest.mark.parametrize("path", sorted(Path("topologies").glob("*[!t].yaml")), ids=str)
def test_shipped_topologies_fit_the_schema(path: Path) -> None:
    schema = topology_schema(destination_types())

    jsonschema.Draft202012Validator(schema).validate(parse(path.read_bytes(), str(path)).data)


def test_an_override_and_an_included_file_fit_too() -> None:
    assert errors("sources: {web: {enabled: false}}") == []
    assert errors("include: [a/*.yaml]\ndefaults: {destination: {enabled: false}, source: {topics: [x]}}") == []


@pytest.mark.parametrize(
    "text",
    [
        'topics: {partitions: "${N}", resolved: "${R:-true}"}',
        'guarantee: "${G}"',
        'destinations: {d: {type: pipe, settings: {port: "${P}"}, delivery: {timeout: "${T}"}}}',
    ],
)
def test_references_are_allowed_where_numbers_and_words_are_asked_for(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("nam: x", "$"),
        ("guarantee: twice", "$.guarantee"),
        ("topics: {partitions: many}", "$.topics.partitions"),
        ("defaults: {destination: {typ: x}}", "$.defaults.destination"),
        ("destinations: {d: {}}", "$.destinations.d"),
        ("destinations: {d: {type: pip}}", "$.destinations.d.type"),
        ("destinations: {d: {type: pipe, settings: {prt: 1}}}", "$.destinations.d.settings"),
        ("destinations: {d: {type: pipe, settings: {port: x}}}", "$.destinations.d.settings.port"),
        ("destinations: {d: {type: pipe, delivery: {timeout: 10}}}", "$.destinations.d.delivery.timeout"),
        ("sources: {my_source: {}}", "$.sources"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses_at_the_same_place(text: str, path: str) -> None:
    assert errors(text) == [path]


def test_every_key_is_described() -> None:
    """An editor has something to say about each key that its name does not."""
    definitions = topology_schema(destination_types())["$defs"]
    for model in ("SourceConfig", "DestinationConfig", "DeliveryConfig", "BatchConfig", "LimitsConfig", "TopicsConfig"):
        for name, key in definitions[model]["properties"].items():
            assert key.get("description") or "$ref" in key or name in ("description", "enabled", "retry"), (model, name)
