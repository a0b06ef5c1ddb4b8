"""The process in which one function runs: events in by standard input, what became of each out by standard output.

`python -m router.transform.child ROOT MODULE FUNCTION CPU_SECONDS BYTES`. A function that takes too much processor time
is interrupted by a signal; one that takes more memory than it may gets a MemoryError. What it prints goes nowhere. The
process dies with its parent. Frames are in `router.transform.process`.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import GeneratorType
from typing import IO, Any

from router.events.parser import Repairs, encode, parse
from router.transform.frames import FAILED, READY, RETURNED, TIMEOUT, read_frames, write_reply

LARGEST_RESULT = 4 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
Function = Callable[[Any], Any]


class _Expired(BaseException):
    """Not an Exception: a function that catches those does not catch it."""


def main(root: str, module: str, name: str, seconds: float, memory: int) -> None:
    """Until standard input ends."""
    events, replies = _private_streams()
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    signal.signal(signal.SIGPROF, _expire)
    function = _imported(root, module, name)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    write_reply(replies, READY, b"")
    replies.flush()
    while (bodies := read_frames(events)) is not None:
        for body in bodies:
            write_reply(replies, *_called(function, body, seconds))
            replies.flush()


def _private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Ours; the function's are empty."""
    events, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return events, replies


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _expire(*_: object) -> None:
    raise _Expired


def _imported(root: str, module: str, name: str) -> Function:
    """The function; where its module cannot be imported, one that says so for each event."""
    sys.path.insert(0, root)
    sys.dont_write_bytecode = True  # it is told apart by second and size, in which an edit may not differ
    try:
        found: Function = getattr(importlib.import_module(module), name)
    except BaseException as error:  # noqa: BLE001  whatever a module does
        return _failing(error)
    return found


def _failing(error: BaseException) -> Function:
    def fail(_: Any) -> Any:
        raise error

    return fail


def _called(function: Function, body: bytes, seconds: float) -> tuple[int, bytes]:
    """A status, and the events as a JSON list, or where the function failed."""
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
            text = encode(_events(function(parse(body, Repairs()))))
            return (RETURNED, text) if len(text) <= LARGEST_RESULT else (FAILED, b"the result is too large")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except _Expired:
        return TIMEOUT, b""
    except BaseException as error:  # noqa: BLE001  whatever a function does
        return FAILED, _place(error).encode()


def _events(result: Any) -> list[Any]:
    if result is None:
        return []
    events = list(result) if isinstance(result, list | tuple | GeneratorType) else [result]
    for event in events:
        if not isinstance(event, dict):
            raise TypeError("expected an event, several or None")
    return events


def _place(error: BaseException) -> str:
    """The error's type and place; never its text, which may hold a payload."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
