"""A change of any file that a topology is made of is seen, and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from router import document
from router.config.source_files import SourceFiles
from router.errors import FileError
from router.plan import load
from tests.config.topologies import REGISTRY, write

TOPOLOGY = """
name: shop
include: [parts/*.yaml]
sources: {web: {plan: "${PLAN:-./plan}", write_keys: ["${file:./key}"]}}
destinations: {a: {type: pipe, description: "${NOTE:-none}"}}
"""


@pytest.fixture
def files(tmp_path: Path) -> SourceFiles:
    write(tmp_path, "plan/plan.yaml", "name: shop\n")
    write(tmp_path, "plan/events/a.yaml", "type: track\nevent: A\n")
    write(tmp_path, "other/plan.yaml", "name: other\n")
    write(tmp_path, "parts/one.yaml", "destinations: {b: {type: pipe}}\n")
    write(tmp_path, "key", "first-key\n")
    write(tmp_path, "local.env", "NOTE=a\n")
    path = write(tmp_path, "t.yaml", TOPOLOGY)
    return SourceFiles([path], REGISTRY, env_file=tmp_path / "local.env")


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
def test_a_change_is_seen(files: SourceFiles, tmp_path: Path, what: str) -> None:
    files.load()
    EDITS[what](tmp_path)

    assert files.inputs.changed()


def test_nothing_is_seen_where_nothing_changes(files: SourceFiles) -> None:
    files.load()

    assert not files.inputs.changed()


def test_each_file_is_read_once_and_its_state_noted_before(files: SourceFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change while the files are read counts, whichever file it is."""
    read: list[str] = []
    real = document.read_bytes

    def read_and_write(path: Path | str, *, name: str) -> bytes:
        content = real(path, name=name)
        read.append(os.path.basename(path))
        os.utime(path, ns=(1, len(read)))
        return content

    for module in (document, load):
        monkeypatch.setattr(module, "read_bytes", read_and_write)
    files.load()

    assert sorted(read) == ["a.yaml", "one.yaml", "plan.yaml", "t.yaml"]
    assert files.inputs.changed()


def test_what_editors_leave_beside_a_plan_is_none_of_its_files(files: SourceFiles, tmp_path: Path) -> None:
    files.load()
    for name in (
        "plan/events/.a.yaml.swp",
        "plan/events/a.yaml~",
        "plan/README.md",
        "plan/.git/x.yaml",
        "plan/old/y.yaml",
    ):
        write(tmp_path, name, "x")

    assert not files.inputs.changed()


def test_without_plans_none_is_read_or_watched(files: SourceFiles, tmp_path: Path) -> None:
    path = write(tmp_path, "t.yaml", TOPOLOGY)
    write(tmp_path, "plan/events/a.yaml", "type: [")
    only = SourceFiles([path], REGISTRY, env_file=tmp_path / "local.env", plans=False)

    assert only.load().plans == {}
    write(tmp_path, "plan/events/a.yaml", "type: track\nevent: B\n")
    assert not only.inputs.changed()


def test_faulty_files_are_watched_all_the_same(files: SourceFiles, tmp_path: Path) -> None:
    write(tmp_path, "parts/one.yaml", "destinations: [\n")
    write(tmp_path, "key", "").unlink()
    with pytest.raises(FileError):
        files.load()
    assert not files.inputs.changed()
    write(tmp_path, "key", "mended\n")
    assert files.inputs.changed()
    write(tmp_path, "parts/one.yaml", "destinations: {b: {type: pipe}}\n")

    assert list(files.load().topology.destinations) == ["a", "b"]


def test_a_folder_that_the_environment_names_is_watched(files: SourceFiles, tmp_path: Path) -> None:
    write(tmp_path, "local.env", "PLAN=./other\n")
    files.load()
    write(tmp_path, "other/plan.yaml", "name: third\n")

    assert files.inputs.changed()
    assert files.load().plans["web"].plan.name == "third"


def test_an_env_file_that_is_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "env"
    os.mkfifo(pipe)
    path = write(tmp_path, "t.yaml", "name: shop\nsources: {web: {description: '${NOTE}'}}\n")
    files = SourceFiles([path], REGISTRY, env_file=pipe)
    writer = threading.Thread(target=pipe.write_text, args=("NOTE=a\n",))
    writer.start()

    assert files.load().topology.sources["web"].description == "a"
    writer.join()
    assert not files.inputs.changed()
    assert files.load().topology.sources["web"].description == "a"


def test_a_missing_topology_file_is_seen_when_it_comes(tmp_path: Path) -> None:
    files = SourceFiles([tmp_path / "t.yaml"], REGISTRY)
    with pytest.raises(FileError):
        files.load()
    write(tmp_path, "t.yaml", "name: shop\nsources: {web: {}}\n")

    assert files.inputs.changed()
