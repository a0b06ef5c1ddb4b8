"""One function of one's own at work in a process apart: events go in by the batch, and each has a result.

A function is given CPU_SECONDS of processor time for an event and HANG_SECONDS in all; a process that hangs or dies is
ended, costs the event it was at, and a new one goes on with the rest. What a batch may lose to that is bounded: a
function that is beyond help is not tried on the rest of the batch. Nothing is kept here: kill -9 loses nothing, and
whatever the function does besides returning events may be done again.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

from router.events.event import Body
from router.events.parser import Repairs, parse
from router.transform.frames import FAILED, HEAD, RETURNED, request
from router.transform.function import OwnFunction

CPU_SECONDS = 0.25  # of processor time, so that a busy machine interrupts nobody
HANG_SECONDS = 10.0
START_SECONDS = 60.0
LOST_SECONDS = 30.0  # to interrupted and hanging calls, in one batch
MOST_DEATHS = 3
MEMORY = 1024 * 1024 * 1024
_CHUNK_EVENTS, _CHUNK_BYTES = 64, 256 * 1024
_TIMES = ("receivedAt", "originalTimestamp", "timestamp", "profileId")

Status = Literal["returned", "dropped", "failed", "timeout", "died"]


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What a function made of one event: events, none of them (`dropped`), or why there is no result.

    `detail` is the exception's type and its place in the function's module, without its text.
    """

    status: Status
    events: list[Body] = field(default_factory=list)
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.status in ("returned", "dropped")


class FunctionProcess:
    """Starts its process with the first event. For any thread, one batch at a time."""

    def __init__(
        self, function: OwnFunction, *, cpu_seconds: float = CPU_SECONDS, hang_seconds: float = HANG_SECONDS
    ) -> None:
        self.function = function
        self._cpu_seconds = cpu_seconds
        self._hang_seconds = hang_seconds
        self._lock = threading.Lock()
        self._children: list[_Child] = []  # one, or none
        weakref.finalize(self, _end, self._children)

    def run(self, bodies: Sequence[bytes]) -> list[FunctionResult]:
        """One result an event (a JSON object), in order. Raises nothing for what the function does."""
        with self._lock:
            call = _Call(self)
            return [result for chunk in _chunks(bodies) for result in call.results(chunk)]

    def close(self) -> None:
        """End the process; a later event would start another."""
        with self._lock:
            _end(self._children)

    def child(self) -> _Child:
        """The process that is running, or a new one."""
        if not self._children:
            self._children.append(_Child(self.function, self._cpu_seconds))
        return self._children[0]

    @property
    def running(self) -> bool:
        """Whether a process was started, which may have died since."""
        return bool(self._children)

    def give_up(self) -> None:
        """End a process that hangs or has died."""
        _end(self._children)

    @property
    def patience(self) -> tuple[float, float]:
        """Seconds of processor time, and in all, that a call may take."""
        return self._cpu_seconds, self._hang_seconds


class _Call:
    """One batch: what it has lost so far to calls that were interrupted, hung or died."""

    def __init__(self, process: FunctionProcess) -> None:
        self._process = process
        self._lost = 0.0
        self._deaths = 0

    def results(self, bodies: Sequence[bytes]) -> Iterator[FunctionResult]:
        left = list(bodies)
        while left:
            if self._deaths >= MOST_DEATHS or self._lost >= LOST_SECONDS:
                yield from [FunctionResult("died", detail="not tried: it failed too often in this batch")] * len(left)
                return
            done, began_before = 0, self._process.running
            try:
                for result in self._answered(left):
                    done += 1
                    yield result
            except TimeoutError:
                self._deaths += 1
                self._lost += self._process.patience[1]
                self._process.give_up()
                done += 1
                yield FunctionResult("timeout", detail="it hung, and its process was ended")
            except (EOFError, OSError):
                self._process.give_up()
                if done or not began_before:  # else it had died before: no event of this batch is at fault
                    self._deaths += 1
                    done += 1
                    yield FunctionResult("died", detail="its process died")
            left = left[done:]

    def _answered(self, bodies: Sequence[bytes]) -> Iterator[FunctionResult]:
        """Raises TimeoutError, EOFError or OSError at the event that the process does not answer."""
        child = self._process.child()
        child.send(request(bodies))
        cpu, hang = self._process.patience
        for _ in bodies:
            status, text = child.reply(hang)
            if status == RETURNED:
                events = parse(text, Repairs())
                yield FunctionResult("returned" if events else "dropped", events)
            elif status == FAILED:
                yield FunctionResult("failed", detail=text.decode(errors="replace"))
            else:
                self._lost += cpu
                yield FunctionResult("timeout", detail="it took too much processor time")


class _Child:
    """A process that has said it is ready. Raises TimeoutError or EOFError where it does not say so."""

    def __init__(self, function: OwnFunction, cpu_seconds: float) -> None:
        command = [sys.executable, "-P", "-m", "router.transform.child"]
        limits = [str(cpu_seconds), str(MEMORY)]
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [*command, str(function.root), function.module, function.name, *limits],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._readable = select.poll()  # not select(): a worker may have more than 1024 files open
        self._readable.register(self._process.stdout, select.POLLIN)
        try:
            self.reply(START_SECONDS)
        except (TimeoutError, EOFError, OSError):
            self.end()
            raise

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def reply(self, seconds: float) -> tuple[int, bytes]:
        until = time.monotonic() + seconds
        status, length = HEAD.unpack(self._read(HEAD.size, until))
        return status, self._read(length, until)

    def _read(self, size: int, until: float) -> bytes:
        assert self._process.stdout is not None
        descriptor, data = self._process.stdout.fileno(), b""
        while len(data) < size:
            if not self._readable.poll(max(until - time.monotonic(), 0.0) * 1000):
                raise TimeoutError
            part = os.read(descriptor, size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except OSError:  # what it had not read: it is dead
                continue


def _end(children: list[_Child]) -> None:
    while children:
        children.pop().end()


def _chunks(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    """What is sent at once: the process reads all of it before it answers, so neither waits for the other."""
    chunk: list[bytes] = []
    size = 0
    for body in bodies:
        if chunk and (len(chunk) >= _CHUNK_EVENTS or size + len(body) > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(body)
        size += len(body)
    if chunk:
        yield chunk


def completed(events: Sequence[Body], original: Body) -> list[Body]:
    """The events with what they lack taken from the one they were made of: times, and a messageId of its own for each.

    A new messageId is the same whenever the same event is met again.
    """
    taken: set[Any] = set()
    for number, event in enumerate(events):
        for name in _TIMES:
            if name in original and not isinstance(event.get(name), str):
                event[name] = original[name]
        message = event.get("messageId")
        if not message or not isinstance(message, str):
            message = original["messageId"]
        if message in taken:
            place = f"{original['messageId']}\0{number}"
            message = "er-" + blake2b(place.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        event["messageId"] = message
        taken.add(message)
    return list(events)
