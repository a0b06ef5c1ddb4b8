"""A change of any file that a topology is made of is seen, and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from router.config.origin import Origin
from router.errors import FileError
from tests.config.topologies import REGISTRY, write

TOPOLOGY = """
name: shop
include: [parts/*.yaml]
sources: {web: {plan: "${PLAN:-./plan}", write_keys: ["${file:./key}"]}}
destinations: {a: {type: pipe, description: "${NOTE:-none}"}}
"""


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    write(tmp_path, "plan/plan.yaml", "name: shop\n")
    write(tmp_path, "plan/events/a.yaml", "type: track\nevent: A\n")
    write(tmp_path, "other/plan.yaml", "name: other\n")
    write(tmp_path, "parts/one.yaml", "destinations: {b: {type: pipe}}\n")
    write(tmp_path, "key", "first-key\n")
    write(tmp_path, "local.env", "NOTE=a\n")
    path = write(tmp_path, "t.yaml", TOPOLOGY)
    return Origin([path], REGISTRY, env_file=tmp_path / "local.env")


EDITS: dict[str, Callable[[Path], object]] = {
    "the file itself": lambda folder: write(folder, "t.yaml", TOPOLOGY + "mask: [email]\n"),
    "an included file": lambda folder: write(folder, "parts/one.yaml", "destinations: {c: {type: pipe}}\n"),
    "a new file that is included": lambda folder: write(folder, "parts/two.yaml", "destinations: {d: {type: pipe}}\n"),
    "an included file that goes": lambda folder: (folder / "parts/one.yaml").unlink(),
    "a secrets file": lambda folder: write(folder, "key", "other-key\n"),
    "the env file": lambda folder: write(folder, "local.env", "NOTE=b\n"),
    "a rule of the plan": lambda folder: write(folder, "plan/events/a.yaml", "type: track\nevent: B\n"),
    "a new rule, deep": lambda folder: write(folder, "plan/events/x/y/b.yaml", "type: track\nevent: B\n"),
    "new definitions": lambda folder: write(folder, "plan/defs/d.yaml", "$defs: {a: {}}\n"),
    "a rule that goes": lambda folder: (folder / "plan/events/a.yaml").unlink(),
    "a file in another's place": lambda folder: write(folder, "key.new", "same-size1\n").replace(folder / "key"),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_change_is_seen(origin: Origin, tmp_path: Path, what: str) -> None:
    inputs = origin.inputs()
    stamp, digest = inputs.stamp(), inputs.digest()
    EDITS[what](tmp_path)

    assert inputs.stamp() != stamp
    assert inputs.digest() != digest


def test_nothing_is_seen_where_nothing_changes(origin: Origin) -> None:
    inputs = origin.inputs()
    assert (inputs.stamp(), inputs.digest()) == (inputs.stamp(), inputs.digest())


def test_a_touched_file_has_another_stamp_and_the_same_digest(origin: Origin, tmp_path: Path) -> None:
    inputs = origin.inputs()
    stamp, digest = inputs.stamp(), inputs.digest()
    os.utime(tmp_path / "plan/events/a.yaml", ns=(1, 1))

    assert inputs.stamp() != stamp
    assert inputs.digest() == digest


def test_what_editors_leave_beside_a_plan_is_none_of_its_files(origin: Origin, tmp_path: Path) -> None:
    inputs = origin.inputs()
    stamp = inputs.stamp()
    for name in (
        "plan/events/.a.yaml.swp",
        "plan/events/a.yaml~",
        "plan/README.md",
        "plan/.git/x.yaml",
        "plan/old/y.yaml",
    ):
        write(tmp_path, name, "x")

    assert inputs.stamp() == stamp


def test_faulty_files_are_watched_all_the_same(origin: Origin, tmp_path: Path) -> None:
    write(tmp_path, "parts/one.yaml", "destinations: [\n")
    write(tmp_path, "key", "").unlink()
    inputs = origin.inputs()
    with pytest.raises(FileError):
        origin.load()
    stamp = inputs.stamp()
    write(tmp_path, "parts/one.yaml", "destinations: {b: {type: pipe}}\n")
    write(tmp_path, "key", "mended\n")

    assert inputs.stamp() != stamp
    assert list(origin.load().topology.destinations) == ["a", "b"]


def test_a_folder_that_the_environment_names_is_watched(origin: Origin, tmp_path: Path) -> None:
    write(tmp_path, "local.env", "PLAN=./other\n")
    inputs = origin.inputs()
    stamp = inputs.stamp()
    write(tmp_path, "other/plan.yaml", "name: third\n")

    assert inputs.stamp() != stamp
    assert origin.load().plans["web"].plan.name == "third"


def test_an_env_file_that_is_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "env"
    os.mkfifo(pipe)
    path = write(tmp_path, "t.yaml", "name: shop\nsources: {web: {description: '${NOTE}'}}\n")
    origin = Origin([path], REGISTRY, env_file=pipe)
    writer = threading.Thread(target=pipe.write_text, args=("NOTE=a\n",))
    writer.start()

    assert origin.load().topology.sources["web"].description == "a"
    writer.join()
    assert origin.inputs().stamp() == origin.inputs().stamp()
    assert origin.load().topology.sources["web"].description == "a"


def test_a_missing_topology_file_is_seen_when_it_comes(tmp_path: Path) -> None:
    inputs = Origin([tmp_path / "t.yaml"], REGISTRY).inputs()
    stamp, digest = inputs.stamp(), inputs.digest()
    write(tmp_path, "t.yaml", "name: shop\nsources: {web: {}}\n")

    assert inputs.stamp() != stamp
    assert inputs.digest() != digest
