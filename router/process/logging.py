"""Logs on stderr: one JSON object a line for programs, short lines for people at a terminal.

No line can be forged: control characters are escaped in both forms. Every secret known to `router.mask.SECRETS` is
replaced wherever it appears, exceptions included. Loggers are the standard library's; `extra={…}` becomes fields of
the line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from router.errors import UsageError
from router.mask import SECRETS

LEVELS = ("debug", "info", "warning", "error")

# C0, DEL, C1, line and paragraph separators, zero-width and bidirectional controls, lone surrogates.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def escape(text: str) -> str:
    """The text with every control character written out, so that it stays on one line and moves no cursor."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape", "backslashreplace").decode(), text)


def as_json_text(value: object) -> str:
    """JSON on one line in which no character moves the cursor or hides text, whatever terminal shows it."""
    return visible(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def visible(text: str) -> str:
    """Text in which no character moves the cursor or hides what follows, line ends included."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class RedactionFilter(logging.Filter):
    """Replaces known secrets in message, fields and exception text before a handler sees the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = SECRETS(_message(record)), None
        for name, value in _fields(record).items():
            record.__dict__[name] = _plain(value)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = SECRETS(record.exc_text)
        return True


class JsonFormatter(logging.Formatter):
    """`{"at": …, "level": …, "process": …, "logger": …, "message": …}` and the record's own fields."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in _fields(record).items() if name not in line}
        if record.exc_text:
            line["error"] = record.exc_text
        return json.dumps(line, ensure_ascii=True, allow_nan=False)


class HumanFormatter(logging.Formatter):
    """`12:00:01 route    warning  message  name=value`; an exception follows, indented."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        parts = [f"{at} {self._process:<8} {record.levelname.lower():<8} {escape(record.getMessage())}"]
        parts += [f"{name}={escape(str(value))}" for name, value in _fields(record).items()]
        trace = (record.exc_text or "").splitlines()
        return "\n    ".join(["  ".join(parts), *map(escape, trace)])


def set_up(process: str, environment: Mapping[str, str], stream: IO[str] | None = None) -> None:
    """Send all logs of this process to `stream` (stderr). `ROUTER_LOG` sets the level. Raises UsageError."""
    level = environment.get("ROUTER_LOG", "").strip().lower() or "info"
    if level not in LEVELS:
        raise UsageError(f"ROUTER_LOG: expected one of {', '.join(LEVELS)}, got {level!r}")
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(HumanFormatter(process) if target.isatty() else JsonFormatter(process))
    handler.addFilter(RedactionFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 (a bad format string must not cost the line)
        return f"{record.msg} ({type(error).__name__} while formatting)"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _plain(value: Any) -> Any:
    """A JSON scalar: numbers and booleans as they are, all else as redacted text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    return SECRETS(str(value))
