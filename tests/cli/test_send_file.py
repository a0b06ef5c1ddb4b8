"""Files of events: every form is read, every bad item named by its place, and the others sent."""

from __future__ import annotations

import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.send_file import Ready, events
from router.errors import Problem
from router.events.event import Limits

TRACK = {"type": "track", "userId": "u1", "event": "E"}
PAGE = {"type": "page", "anonymousId": "a1", "name": "Home"}


def read(text: str | bytes) -> tuple[list[Any], list[str]]:
    """Events and problems of a file named `f`."""
    found = list(events(io.BytesIO(text.encode() if isinstance(text, str) else text), "f", Limits()))
    ready = [orjson.loads(item.value) for item in found if isinstance(item, Ready)]
    return ready, [str(item) for item in found if isinstance(item, Problem)]


FORMS = {
    "NDJSON": f"{json.dumps(TRACK)}\n{json.dumps(PAGE)}\n",
    "NDJSON with blank lines and no last line end": f"\n{json.dumps(TRACK)}\r\n\n{json.dumps(PAGE)}",
    "a list": json.dumps([TRACK, PAGE]),
    "a list over several lines": json.dumps([TRACK, PAGE], indent=2),
    "a batch": json.dumps({"batch": [TRACK, PAGE]}),
    "a batch over several lines": json.dumps({"batch": [TRACK, PAGE]}, indent=2),
    "a batch a line": "\n".join(json.dumps({"batch": [item]}) for item in (TRACK, PAGE)),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_every_form_gives_its_events(text: str) -> None:
    assert read(text) == ([TRACK, PAGE], [])


@pytest.mark.parametrize("indent", [None, 2])
def test_one_event_is_a_file_too(indent: int | None) -> None:
    assert read(json.dumps(TRACK, indent=indent)) == ([TRACK], [])


def test_batch_fields_merge_into_the_items() -> None:
    (event,), _ = read(json.dumps({"batch": [TRACK], "context": {"locale": "en"}, "sentAt": "now", "writeKey": "k"}))
    assert event == {**TRACK, "context": {"locale": "en"}, "sentAt": "now"}


def test_events_are_keyed_by_device() -> None:
    items = list(events(io.BytesIO(json.dumps([TRACK, PAGE]).encode()), "f", Limits()))
    assert [item.key for item in items if isinstance(item, Ready)] == [b"u1", b"a1"]


def test_a_bad_line_is_named_and_its_neighbours_are_sent() -> None:
    found, problems = read(f'{json.dumps(TRACK)}\n\n{{"type": "track"\n{json.dumps(PAGE)}\n{{"type": "track"}}\n')
    assert found == [TRACK, PAGE]
    assert [problem.partition(": ")[0] for problem in problems] == ["f:3:1", "f:5:1"]
    assert "not JSON" in problems[0]
    assert "neither `userId` nor `anonymousId`" in problems[1]


def test_a_bad_first_line_does_not_hide_the_rest() -> None:
    found, problems = read(f"{{broken\n{json.dumps(TRACK)}\n{json.dumps(PAGE)}\n")
    assert found == [TRACK, PAGE]
    assert len(problems) == 1


def test_a_bad_item_is_named_by_its_path() -> None:
    _, problems = read(json.dumps({"batch": [TRACK, {"type": "track", "userId": "u"}, 5]}))
    assert [problem.split(": ")[1] for problem in problems] == ["batch[1]", "batch[2]"]
    _, problems = read(json.dumps([TRACK, {"type": "nonsense", "userId": "u"}], indent=2))
    assert [problem.split(": ")[1] for problem in problems] == ["[1]"]


def test_a_broken_document_is_one_problem_with_its_place() -> None:
    """Blank lines count."""
    found, (problem,) = read('{\n\n  "type": "track",\n  "event": nonsense\n}')
    assert found == []
    assert problem.startswith("f:4:12: ")


def test_a_broken_item_of_a_document_is_named_and_its_neighbours_are_sent() -> None:
    found, (problem,) = read(f"[\n\n  {json.dumps(TRACK)},\n  nonsense,\n  {json.dumps(PAGE)}\n]")
    assert found == [TRACK, PAGE]
    assert problem.split(": ")[1] == "[1]"


@pytest.mark.parametrize("text", ["", "\n \n", "[]\n"])
def test_nothing_to_send_gives_no_event(text: str) -> None:
    found, problems = read(text)
    assert found == []
    assert len(problems) == (0 if "[" in text else 1)


LIMITED = {
    "too large": {**TRACK, "pad": "x" * 33_000},
    "too deep": {**TRACK, "properties": json.loads("[" * 300 + "]" * 300)},
    "no list": {"batch": {}},
}


@pytest.mark.parametrize("item", LIMITED.values(), ids=LIMITED.keys())
def test_limits_hold_here_as_in_the_router(item: Any) -> None:
    found, problems = read(json.dumps(item))
    assert (found, len(problems)) == ([], 1)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,0 \n', max_size=80).map(str.encode))
def test_any_file_is_read_to_its_end(text: bytes) -> None:
    read(text)


@given(st.lists(st.sampled_from([json.dumps(TRACK), "{", "5", json.dumps(PAGE), ""]), max_size=8))
def test_every_line_is_an_event_or_a_problem(lines: list[str]) -> None:
    """A first line that parses makes it NDJSON, of which each line stands for itself."""
    found, problems = read("\n".join([json.dumps(TRACK), *lines]))
    assert len(found) + len(problems) == 1 + sum(1 for line in lines if line)
