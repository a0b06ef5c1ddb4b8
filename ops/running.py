"""Processes of demos, tests and chaos runs: Python modules as children that end with their parent, whatever ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from router.config.options import Address
from router.errors import Unavailable
from router.process import parent_death
from router.process.scrape import health, scrape
from router.process.snapshot import Snapshot, snapshot

ROOT = Path(__file__).parent.parent
READY_SECONDS = 90.0
STOP_SECONDS = 60.0
RECEIVER = ("router", "receiver", "--quiet", "--listen", "127.0.0.1:0")
"""A partner on a free port, which is the first thing it prints. Takes `--receipts FILE` as well."""


def plain_environment(**more: str) -> dict[str, str]:
    """This process's environment without options of the `router` command, and `more`.

    `router up` starts neither web console nor insights unless `more` asks for them.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
    return plain | {"ROUTER_CONSOLE": "off", "ROUTER_INSIGHTS": "off"} | more


class Process:
    """`python -m` with these arguments; what it prints is added to `log`. A session of its own keeps Ctrl-C from it."""

    def __init__(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        bare = [sys.executable, "-I", "-S", str(parent_death.__file__), str(os.getpid())]
        command = [*bare, sys.executable, "-m", *arguments]
        self.log = log
        with log.open("ab") as stream:
            self._begin = stream.tell()
            self.child = subprocess.Popen(
                command, cwd=ROOT, env=dict(environment or plain_environment()), stdin=subprocess.DEVNULL,
                stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.child.pid

    def said(self, beginning: str, seconds: float = READY_SECONDS) -> str:
        """The rest of the first line that begins so. Raises Unavailable when it ends or keeps silent."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self._lines():
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
            self.insist()
            time.sleep(0.05)
        raise Unavailable(f"{beginning!r} was not said in {seconds:.0f} s\n{self.end()}")

    def insist(self) -> None:
        """Raises Unavailable when it has ended by itself."""
        status = self.child.poll()
        if status is not None:
            raise Unavailable(f"{self.log.name}: the process ended with status {status}\n{self.end()}")

    def wait_ready(self, address: Address, seconds: float = READY_SECONDS) -> None:
        """Until its /readyz answers 200. Raises Unavailable."""
        until, why = time.monotonic() + seconds, ""
        while time.monotonic() < until:
            self.insist()
            try:
                report = health(address, "/readyz")
            except Unavailable as error:
                why = str(error)
            else:
                if report.ok:
                    return
                why = report.why()
            time.sleep(0.1)
        raise Unavailable(f"not ready in {seconds:.0f} s: {why}\n{self.end()}")

    def end(self, lines: int = 20) -> str:
        """The last lines it printed."""
        return "\n".join(self._lines()[-lines:])

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, and by force after `seconds`; returns the exit status."""
        self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.wait()

    def close(self) -> None:
        """By force, if it still runs."""
        if self.child.poll() is None:
            self.kill()

    def _lines(self) -> list[str]:
        with self.log.open("rb") as stream:
            stream.seek(self._begin)
            return stream.read().decode(errors="replace").splitlines()


def figures(address: Address) -> Snapshot:
    """What a metrics page says now. Raises Unavailable."""
    return snapshot(scrape(address, 10))
