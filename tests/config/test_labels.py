"""Sources and destinations labelled with another environment than the topology's: found, and given nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from router.config.loader import Loaded
from tests.config.topologies import load, problems, write

TOPOLOGY = """\
name: t
environment: {own}
sources:
  web: {{write_keys: [k], labels: {{team: growth, environment: prod}}}}
  app: {{labels: {{environment: {source}}}, enabled: {enabled}}}
  any: {{labels: {{team: growth}}}}
destinations:
  crm: {{type: pipe, labels: {{environment: {destination}}}, enabled: {enabled}}}
  lake: {{type: pipe}}
"""


def loaded(
    folder: Path, own: str = "prod", source: str = "prod", destination: str = "prod", enabled: str = "true",
    env: Mapping[str, str] | None = None, *, placeholders: bool = False,
) -> Loaded:  # fmt: skip
    text = TOPOLOGY.format(own=own, source=source, destination=destination, enabled=enabled)
    return load(write(folder, "t.yaml", text), env=env, placeholders=placeholders)


def foreign(of: Loaded) -> list[str]:
    assert set(of.foreign) <= set(of.warnings)
    return [f"{problem.line}: {problem.path}: {problem.message}" for problem in of.foreign]


def refusals(of: Loaded) -> list[str]:
    return [source.refusal(of.topology.environment) for source in of.topology.sources.values()]


def test_parts_of_the_same_environment_and_parts_without_one_take_part(tmp_path: Path) -> None:
    found = loaded(tmp_path)

    assert found.foreign == ()
    assert refusals(found) == ["", "", ""]
    assert found.topology.enabled_destinations == ["crm", "lake"]


def test_parts_of_another_environment_are_found_at_their_label_and_take_no_part(tmp_path: Path) -> None:
    found = loaded(tmp_path, source="staging", destination="test")

    assert foreign(found) == [
        "5: sources.app.labels.environment: "
        "expected the topology's environment prod, got staging: the events of source app are refused",
        "8: destinations.crm.labels.environment: "
        "expected the topology's environment prod, got test: destination crm gets no events",
    ]
    assert refusals(found) == ["", "other_environment", ""]
    assert found.topology.enabled_destinations == ["lake"]


def test_what_is_switched_off_may_be_of_another_environment(tmp_path: Path) -> None:
    found = loaded(tmp_path, source="staging", destination="staging", enabled="false")

    assert found.foreign == ()
    assert refusals(found) == ["", "source_disabled", ""]


def test_without_an_environment_of_the_topology_labels_refuse_nothing(tmp_path: Path) -> None:
    text = TOPOLOGY.format(own="prod", source="staging", destination="test", enabled="true")
    found = load(write(tmp_path, "t.yaml", text.replace("environment: prod\n", "", 1)))

    assert found.foreign == ()
    assert refusals(found) == ["", "", ""]
    assert found.topology.enabled_destinations == ["crm", "lake"]


def test_a_later_file_names_the_environment(tmp_path: Path) -> None:
    text = TOPOLOGY.format(own="staging", source="staging", destination="staging", enabled="true")
    found = load(write(tmp_path, "t.yaml", text), write(tmp_path, "prod.yaml", "environment: prod\n"))

    assert [problem.path for problem in found.foreign] == [
        "sources.app.labels.environment",
        "destinations.crm.labels.environment",
    ]


def test_a_value_of_the_environment_variables_is_compared_and_not_shown(tmp_path: Path) -> None:
    assert loaded(tmp_path, own='"${ENV}"', env={"ENV": "prod"}).foreign == ()
    first, *_ = foreign(loaded(tmp_path, own='"${ENV}"', env={"ENV": "qa-7"}))
    assert "qa-7" not in first
    assert "got prod" in first


@pytest.mark.parametrize(("own", "label"), [('"${ENV}"', "prod"), ("prod", '"${ENV}"'), ('"${ENV}"', '"${OTHER}"')])
def test_an_environment_for_which_a_placeholder_stands_is_not_another(tmp_path: Path, own: str, label: str) -> None:
    found = loaded(tmp_path, own, label, label, placeholders=True)

    assert found.foreign == ()
    assert refusals(found) == ["", "", ""]
    assert found.topology.enabled_destinations == ["crm", "lake"]


def test_faulty_labels_are_faults_of_form(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        "name: t\nenvironment: Prod\nsources: {web: {labels: {environment: 7}}, app: {labels: [a]}}\n",
    )
    found = problems(path)

    assert len(found) == 3
    assert [line.split(": ")[1] for line in found] == [
        "environment",
        "sources.web.labels.environment",
        "sources.app.labels",
    ]
