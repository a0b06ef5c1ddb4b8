"""`router destinations`: what it shows is what the loader takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.loader import load_topology
from router.destinations.registry import destination_types
from tests.cli.lines import Line

TYPES = list(destination_types())


def test_all_types_are_listed_with_a_summary(line: Line) -> None:
    ended = line("destinations")

    assert [text.split()[0] for text in ended.out.splitlines()] == TYPES
    assert all(connector.summary in ended.out for connector in destination_types().values())


def test_the_list_as_json(line: Line) -> None:
    assert [entry["type"] for entry in line("destinations", "--json").answer] == TYPES


@pytest.mark.parametrize("name", TYPES)
def test_each_type_shows_every_setting_with_a_meaning(line: Line, name: str) -> None:
    shown = line("destinations", "show", name)
    described = line("destinations", "show", name, "--json").answer

    assert described["settings"]
    for setting in described["settings"]:
        assert f"  {setting['name']}: {setting['type']}" in shown.out
        assert setting["description"], f"{name}.{setting['name']} has no description"
        assert setting["required"] is False or setting["example"] is not None


@pytest.mark.parametrize("name", TYPES)
def test_each_type_says_what_its_partner_is_like(line: Line, name: str) -> None:
    """From the class, as delivery keeps to it."""
    shown = line("destinations", "show", name)
    described = line("destinations", "show", name, "--json").answer
    connector = destination_types()[name]

    assert f"Call types: {', '.join(connector.types)}" in shown.out
    assert f"Events a request can carry: {connector.limits.count}," in shown.out
    assert "An event sent again is " in shown.out
    assert (described["order"], described["idempotency"]) == (connector.order, connector.idempotency)
    assert described["probe"] is connector.can_check()
    assert described["limits"]["request_bytes"] == connector.limits.request_bytes


@pytest.mark.parametrize("name", TYPES)
def test_the_example_of_each_type_loads(line: Line, tmp_path: Path, name: str) -> None:
    example = line("destinations", "show", name, "--json").answer["example"]
    path = tmp_path / "t.yaml"
    path.write_text(f"name: t\nsources: {{}}\n{example}")

    loaded = load_topology([path], placeholders=True, registry=destination_types())

    assert list(loaded.connector_settings) == [f"my-{name}"]


def test_an_unknown_type_is_wrong_usage_and_names_the_near_one(line: Line) -> None:
    ended = line("destinations", "show", "webhok")

    assert ended.status == 2
    assert "did you mean webhook?" in ended.err
