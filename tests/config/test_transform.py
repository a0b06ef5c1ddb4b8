"""`transform` in a topology: found at load, or refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.inputs import Inputs
from router.config.loader import load_topology
from router.destinations.registry import destination_types
from router.errors import FileError
from tests.config.topologies import write
from tests.transform.functions import module

TEXT = """\
name: t
sources: {web: {transform: "acme.clean:event"}}
destinations:
  crm: {type: webhook, settings: {url: "https://example.com"}, transform: "acme.clean:event"}
"""


def test_functions_are_found_beside_the_file_or_above_it(tmp_path: Path) -> None:
    module(tmp_path)
    path = write(tmp_path, "topologies/t.yaml", TEXT)

    loaded = load_topology([path], env={}, registry=destination_types())

    assert set(loaded.functions) == {"sources.web", "destinations.crm"}
    assert {one.root for one in loaded.functions.values()} == {tmp_path}


def test_the_module_is_among_the_files_that_are_watched(tmp_path: Path) -> None:
    module(tmp_path)
    inputs = Inputs()
    load_topology([write(tmp_path, "t.yaml", TEXT)], env={}, registry=destination_types(), plans=False, inputs=inputs)
    assert not inputs.changed()

    module(tmp_path, "def event(event):\n    return None\n")

    assert inputs.changed()


SOURCE = 'web: {transform: "acme.clean:event"'
WEBHOOK = 'type: webhook, settings: {url: "https://example.com"}'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (SOURCE, 'web: {transform: "acme.clean.event"', "sources.web.transform: "),
        (SOURCE, 'web: {transform: "acme.clean:evnt"', "did you mean event?"),
        ('"acme.clean:event"}\n', '"acme.none:event"}\n', "transform: expected a module that can be imported"),
        (WEBHOOK, "type: file, settings: {path: ./o}", "every event whole"),
    ],
)
def test_what_is_wrong_with_one_has_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    module(tmp_path)
    assert old in TEXT
    path = write(tmp_path, "t.yaml", TEXT.replace(old, new))

    with pytest.raises(FileError) as found:
        load_topology([path], env={}, registry=destination_types())

    assert words in str(found.value)
    assert ":4:" in str(found.value) or ":2:" in str(found.value)
