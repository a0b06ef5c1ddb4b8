"""How a lone process ends that never got to work: told to stop while it connects, or without a folder for state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions
from router.delivery.run import run_delivery
from router.destinations.registry import destination_types
from router.errors import Stopped, Unavailable
from router.process.health import Health
from router.worker.build import run_route

NOBODY = "127.0.0.1:1"
TOPOLOGY = """
name: acme
sources: {web: {write_keys: [web-dev-key]}}
destinations: {lake: {type: file, settings: {path: ./out}}}
"""
Run = Callable[[Loaded, RunOptions, Event, Health], None]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    file = tmp_path / "acme.yaml"
    file.write_text(TOPOLOGY)
    return load_topology([file], registry=destination_types())


@pytest.mark.parametrize("run", [run_route, run_delivery])
def test_a_stop_is_obeyed_while_it_connects(run: Run, loaded: Loaded, tmp_path: Path) -> None:
    stop = Event()
    stop.set()

    with pytest.raises(Stopped):
        run(loaded, RunOptions(bootstrap=NOBODY, state=tmp_path / "state"), stop, Health())


@pytest.mark.parametrize("run", [run_route, run_delivery])
def test_a_folder_that_cannot_be_written_is_named_before_any_broker_is_asked(
    run: Run, loaded: Loaded, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    state = tmp_path / "file" / "state"

    with pytest.raises(Unavailable, match="expected a folder for state that can be written") as caught:
        run(loaded, RunOptions(bootstrap=NOBODY, state=state), Event(), Health())

    assert str(caught.value).startswith(f"{state}: ")
    assert caught.value.status == 3
