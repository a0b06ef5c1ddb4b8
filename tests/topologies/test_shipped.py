"""What ships in topologies/ and schemas/ is right: it passes the check, its tests, and the checks can fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from router.config.loader import Loaded, load_topology
from router.config.topics import topics_of
from router.destinations.registry import destination_types
from router.native.library import native
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import find_test_files, read_tests
from router.topology_tests.run import CaseOutcome, run
from tests.agents.messages import FakeMessage
from tests.cli.lines import Line

ROOT = Path(__file__).parent.parent.parent
TOPOLOGIES = [path for path in sorted((ROOT / "topologies").glob("*.yaml")) if not path.name.endswith(".test.yaml")]


def outcomes(path: Path) -> list[CaseOutcome]:
    tests = read_tests(path)
    return run(tests, load_topology(tests.topology, env={}, registry=destination_types(), placeholders=True))


ALL = [outcome for path in find_test_files([ROOT / "topologies"]) for outcome in outcomes(path)]


@pytest.mark.parametrize("outcome", ALL, ids=lambda outcome: f"{Path(outcome.file).name}:{outcome.line}")
def test_a_shipped_topology_test_passes(outcome: CaseOutcome) -> None:
    assert outcome.passed, "\n".join([*map(str, outcome.problems), *outcome.differences])


def given(path: Path, loaded: Loaded, turn: int) -> list[FakeMessage]:
    """The events of a topology's tests as messages of the gateway."""
    sources = loaded.topology.sources
    messages: list[FakeMessage] = []
    topic = topics_of(loaded.topology).raw
    for case in read_tests(path.with_suffix(".test.yaml")).cases.tests:
        for item in case.given:
            name = str(item.get("source", loaded.topology.default_source))
            key = next(iter(sources[name].keys(name)), "")
            body = {name: value for name, value in item.items() if name not in ("source", "at", "raw")}
            text = json.dumps(body | {"messageId": f"{turn}-{len(messages)}"})
            headers = [("write-key", key.encode()), ("received-at", b"1")]
            messages.append(FakeMessage(text.encode(), of_headers=headers, of_topic=topic, of_offset=len(messages)))
    return messages


@pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")
@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.name)
def test_the_events_of_its_tests_come_out_alike_with_the_native_scanner_and_without(path: Path) -> None:
    loaded = load_topology([path], env={}, registry=destination_types(), placeholders=True)
    one, other = CaseRouter(loaded).pipeline, CaseRouter(loaded).pipeline
    assert one.scan is not None
    other.scan = None
    lanes = {(topics_of(loaded.topology).raw, 0): 0}
    assert one.run(given(path, loaded, 0), lanes) == other.run(given(path, loaded, 0), lanes)
    messages = given(path, loaded, 1) + given(path, loaded, 2)

    taken = one.scan.events(messages, np.zeros(len(messages), dtype=np.int64))

    resolved = other.run(messages, lanes)
    assert one.run(messages, lanes) == resolved
    assert taken is not None
    assert len(messages) - len(taken.left) >= 0.85 * resolved.ended["resolved"].total() > 0


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.name)
def test_a_shipped_topology_has_tests_beside_it(path: Path) -> None:
    assert path.with_suffix(".test.yaml").is_file()


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.name)
def test_the_tests_name_every_source_and_every_destination(path: Path) -> None:
    topology = yaml.safe_load(path.read_text())
    tests = yaml.safe_load(path.with_suffix(".test.yaml").read_text())["tests"]

    assert topology["sources"].keys() <= {item.get("source") for test in tests for item in test["given"]}
    assert topology["destinations"].keys() <= {output for test in tests for output in test["expect"]}


def test_shipped_files_pass_the_check(line: Line) -> None:
    ended = line("check", ROOT / "topologies", ROOT / "schemas")

    assert (ended.status, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (("types: [identify, track]", "types: [track]"), "the CRM gets people and what they bought"),
        (('sources: ["*", "!orders"]', 'sources: ["*"]'), "the order system reaches the CRM"),
        (("violation: block\n", "violation: allow\n"), "an event that breaks the plan"),
        (("unplanned_property: omit\n", "unplanned_property: allow\n"), "a property that the plan does not know"),
        (("default_source: web\n", ""), "a message that names no write key"),
        (("guarantee: exactly_once\n", "dedupe: {window: 1h}\n"), "a repeat counts for 24 hours"),
        (("    integration: Advertising\n", ""), "an event may switch a destination off"),
    ],
)
def test_a_change_of_the_shop_is_noticed_by_its_tests(
    line: Line, tmp_path: Path, change: tuple[str, str], failing: str
) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    shutil.copytree(ROOT / "topologies", tmp_path / "topologies")
    shop = tmp_path / "topologies/shop.yaml"
    before = shop.read_text()
    shop.write_text(before.replace(*change, 1))
    assert shop.read_text() != before

    ended = line("test", tmp_path / "topologies")

    assert ended.status == 1
    failed = [text for text in ended.out.splitlines() if text.startswith("FAIL")]
    assert any(failing in text for text in failed), ended.out
