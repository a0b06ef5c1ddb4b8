"""Logs: one line a record, no forged lines, no secrets."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UsageError
from router.mask import MASK, SECRETS
from router.process.logging import escape, set_up

SECRET = "hunter2-of-the-tests"
log = logging.getLogger("router.tests.logging")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def machine(level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    set_up("route", {"ROUTER_LOG": level}, stream)
    return stream


def human() -> io.StringIO:
    stream = Terminal()
    set_up("route", {}, stream)
    return stream


def test_a_program_reads_one_json_object_a_line() -> None:
    stream = machine()
    log.info("took %d partitions", 3, extra={"topic": "events.raw", "lag": 5})

    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)

    assert record.pop("at").endswith("+00:00")
    assert record == {
        "level": "info",
        "process": "route",
        "logger": "router.tests.logging",
        "message": "took 3 partitions",
        "topic": "events.raw",
        "lag": 5,
    }


def test_people_read_short_lines() -> None:
    stream = human()
    log.warning("held back", extra={"destination": "crm"})

    (line,) = stream.getvalue().splitlines()

    assert line.split(maxsplit=1)[1] == "route    warning  held back  destination=crm"


def test_an_exception_is_one_json_line_and_an_indented_block_for_people() -> None:
    for stream in (machine(), human()):
        set_up("route", {}, stream)
        try:
            raise ValueError("first\nsecond \x1b[31m")
        except ValueError:
            log.exception("failed")
        lines = stream.getvalue().splitlines()
        assert "\x1b" not in stream.getvalue()
        if isinstance(stream, Terminal):
            assert all(line.startswith("    ") for line in lines[1:])
        else:
            assert "ValueError: first" in json.loads(lines[0])["error"]
            assert len(lines) == 1


@given(st.text())
def test_no_text_can_forge_a_line_or_move_the_cursor(text: str) -> None:
    for stream in (machine(), human()):
        set_up("route", {}, stream)
        log.info("got %s", text, extra={"value": text})
        written = stream.getvalue()
        assert written.endswith("\n")
        assert len(written[:-1].splitlines()) == 1
        assert escape(written[:-1]) == written[:-1]


def test_a_registered_secret_is_nowhere_in_a_line() -> None:
    SECRETS.add([SECRET])
    for stream in (machine(), human()):
        set_up("route", {}, stream)
        try:
            raise ValueError(f"bad password {SECRET}")
        except ValueError:
            log.exception("with %s", SECRET, extra={"url": f"https://u:{SECRET}@host", "list": [SECRET]})
        assert SECRET not in stream.getvalue()
        assert stream.getvalue().count(MASK) >= 4


def test_a_secret_with_quotes_and_newlines_is_masked_before_it_is_escaped() -> None:
    secret = 'line "one"\nline two'
    SECRETS.add([secret])
    stream = machine()
    log.info("got %s", secret)
    assert json.loads(stream.getvalue())["message"] == f"got {MASK}"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    SECRETS.add(["abcdef-secret"])
    SECRETS.add(["abcdef-secret-longer"])
    assert SECRETS("x abcdef-secret-longer y") == f"x {MASK} y"


def test_a_very_short_secret_does_not_mask_ordinary_words() -> None:
    SECRETS.add(["dev"])
    SECRETS.add([""])
    assert SECRETS("device dev") == "device dev"


def test_values_that_json_does_not_know_do_not_cost_the_line() -> None:
    stream = machine()
    log.info("numbers", extra={"ratio": float("nan"), "who": object, "none": None, "yes": True})
    record = json.loads(stream.getvalue())
    assert (record["ratio"], record["none"], record["yes"]) == ("nan", None, True)


def test_a_field_cannot_overwrite_the_line_s_own() -> None:
    stream = machine()
    log.info("hello", extra={"level": "forged", "at": "never"})
    record = json.loads(stream.getvalue())
    assert record["level"] == "info"
    assert record["at"] != "never"


def test_a_wrong_format_string_does_not_cost_the_line() -> None:
    stream = machine()
    log.info("one %s two %s", "x")
    assert "one %s two %s" in json.loads(stream.getvalue())["message"]


@pytest.mark.parametrize(("level", "shown"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0), ("", 2)])
def test_router_log_sets_the_level(level: str, shown: int) -> None:
    stream = machine(level)
    log.debug("a")
    log.info("b")
    log.warning("c")
    assert len(stream.getvalue().splitlines()) == shown


def test_an_unknown_level_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="expected one of debug, info, warning, error, got 'loud'"):
        set_up("route", {"ROUTER_LOG": "loud"}, io.StringIO())


def test_warnings_of_libraries_become_lines() -> None:
    stream = machine()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", stacklevel=1)
    assert "old" in json.loads(stream.getvalue())["message"]
