"""The file of the tables: all or nothing, kept when it cannot be read, tried again when it cannot be written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from router.errors import Unavailable
from router.insights.state import NAME, InsightsState


def test_what_is_saved_is_loaded_and_what_is_gone_is_gone(tmp_path: Path) -> None:
    state = InsightsState(tmp_path)
    state.add({"events": [("a", b"1"), ("b", b"2")], "people": [("a", b"3")]})
    state.save()
    state.add({"events": [("a", None), ("b", b"4")]})
    state.save()
    state.add({"events": [("c", b"5")]})  # not saved: what a kill -9 takes
    state.close()

    again = InsightsState(tmp_path)

    assert again.load() == {"events": {"b": b"4"}, "people": {"a": b"3"}}
    again.close()


def test_what_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    state = InsightsState(tmp_path)
    state.add({"events": [("a", b"1")]})
    state.save()
    other = sqlite3.connect(state.path)
    other.execute("BEGIN EXCLUSIVE")
    state._database.execute("PRAGMA busy_timeout = 1")
    state.add({"events": [("a", b"2")]})
    with pytest.raises(Unavailable, match="locked"):
        state.save()
    other.close()

    state.add({"events": [("b", b"3")]})
    state.save()

    assert state.load() == {"events": {"a": b"2", "b": b"3"}}
    assert state.size > 0
    state.close()


def test_a_file_that_is_none_of_ours_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not a database" * 100)

    state = InsightsState(tmp_path)

    assert state.load() == {}
    assert (tmp_path / "insights.unreadable").read_bytes().startswith(b"not a database")
    state.close()


def test_a_folder_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot open"):
        InsightsState(tmp_path / "none")
