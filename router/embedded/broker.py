"""The embedded broker: librdkafka's mock cluster in a child process, so that the router runs with nothing installed.

Limits. Memory only: a restart is an empty cluster on another port. A partition keeps 5 MiB of batches or 100,000
batches; older ones are dropped silently, which `capacity` prevents. No compaction, no retention by time, no topic
settings, no create or delete by admin calls, no SASL, no TLS. Transactions are accepted but mean nothing: aborted
records are read, old producers are not fenced, offsets sent to a transaction are not stored. An empty fetch lasts its
whole `fetch.wait.max.ms`, a rebalance the whole session timeout. kill -9 of this process loses everything in it; its
parent's death ends it within milliseconds, because it lives as long as its standard input is open.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from router.errors import RouterError, Unavailable
from router.kafka.admin import Admin
from router.kafka.cluster import EMBEDDED, Cluster

PARTITION_BYTES = 5 * 1024 * 1024
PARTITION_BATCHES = 100_000
_ANSWER_SECONDS = 30.0
_STOP_SECONDS = 5.0
_CLUSTER_ID = "mockCluster"  # how librdkafka's cluster ids begin


def recognised(cluster: Cluster) -> Cluster:
    """The cluster with an embedded broker's capabilities if that is what answers there, whoever started it."""
    found = Admin(cluster).cluster_id().startswith(_CLUSTER_ID)
    return replace(cluster, capabilities=EMBEDDED) if found else cluster


class EmbeddedBroker:
    """Parent's side: starts the child, speaks its line protocol, ends it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self.bootstrap = ""

    def start(self, topics: Mapping[str, int] | None = None) -> str:
        """Start the child with these topics (name → partitions); returns `HOST:PORT`. Raises Unavailable."""
        if self._child is not None:
            raise RouterError("the embedded broker was started already")
        command = [sys.executable, "-m", "router.embedded.broker"]
        if topics:
            command += ["--topics", ",".join(f"{name}:{count}" for name, count in topics.items())]
        # A session of its own: Ctrl-C reaches the whole terminal group, and the broker must outlive its drain.
        self._child = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        try:
            self.bootstrap = self._answer()
        except Unavailable:
            self.stop()
            raise
        return self.bootstrap

    def create_topics(self, topics: Mapping[str, int]) -> None:
        """Raises RouterError when one is there already."""
        for name, partitions in topics.items():
            self._tell(f"create {name} {partitions}")

    def down(self) -> None:
        """Refuse connections until `up`; what is stored stays."""
        self._tell("down")

    def up(self) -> None:
        self._tell("up")

    def error(self, api_key: int, codes: Iterable[int]) -> None:
        """Answer the next requests of this Kafka API key with these error codes, one each."""
        self._tell(f"error {api_key} {' '.join(map(str, codes))}")

    @property
    def cluster(self) -> Cluster:
        """What clients need to know of it; after `start`."""
        return Cluster(self.bootstrap, capabilities=EMBEDDED)

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit status of the child, None while it runs or before the start; negative: killed by that signal."""
        return None if self._child is None else self._child.poll()

    def stop(self) -> None:
        """End the child; everything in it is gone. Harmless when it never started or is dead already."""
        child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RouterError("the embedded broker has not been started")
        return self._child

    def _tell(self, command: str) -> None:
        child = self._started()
        assert child.stdin is not None
        with self._turn:
            try:
                child.stdin.write(f"{command}\n".encode())
            except OSError as error:
                raise Unavailable(f"the embedded broker is gone (exit status {child.poll()})") from error
            answer = self._answer()
        if answer != "ok":
            raise RouterError(answer)

    def _answer(self) -> str:
        child = self._started()
        assert child.stdout is not None
        watchdog = threading.Timer(_ANSWER_SECONDS, child.kill)
        watchdog.start()
        try:
            line = child.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise Unavailable(f"the embedded broker is gone (exit status {child.wait()})")
        return line.decode().rstrip("\n")


def _topics(text: str) -> dict[str, int]:
    pairs = (item.rpartition(":") for item in text.split(",") if item)
    return {name: int(partitions) for name, _, partitions in pairs}


def serve(topics: Mapping[str, int], commands: Iterable[str], answer: Callable[[str], None]) -> None:
    """The child's life: print the address, obey commands, return when they end."""
    from router.embedded.mock import MockCluster

    cluster = MockCluster()
    for name, partitions in topics.items():
        cluster.create(name, partitions)
    answer(cluster.bootstrap)
    actions: dict[str, Callable[..., None]] = {
        "create": lambda name, partitions: cluster.create(name, int(partitions)),
        "down": cluster.down,
        "up": cluster.up,
        "error": lambda key, *codes: cluster.error(int(key), [int(code) for code in codes]),
    }
    for line in commands:
        verb, *arguments = line.split() or [""]
        try:
            actions[verb](*arguments)
        except RouterError as error:
            answer(str(error))
        except (KeyError, TypeError, ValueError):
            answer(f"embedded broker: expected one of {', '.join(actions)} with its arguments, got {line.strip()!r}")
        else:
            answer("ok")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m router.embedded.broker", description="An in-memory Kafka broker.")
    parser.add_argument("--topics", type=_topics, default={}, metavar="NAME:PARTITIONS,…")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        serve(chosen.topics, sys.stdin, _answer)
    except RouterError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    return 0


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
