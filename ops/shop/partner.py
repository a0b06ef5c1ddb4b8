"""The receiving end: a partner over HTTP that has its bad moments, and the archive's folder; both read as evidence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import orjson

from ops.running import RECEIVER, Process
from router.receiver import read_log

STOP_SECONDS = 10.0
# The CRM refuses one order for good, once asks for less, and fails for one request in fifty; the
# advertising partner is out for one in ten.
FAULTS = (
    "/crm=poison,status=400",
    "/crm=429,retry_after=1,times=1,share=0.02",
    "/crm=500,share=0.02",
    "/ads=503,share=0.1",
)


class Partner:
    """A child process on a free port that writes what it accepts to `folder`/receipts.ndjson, before it answers."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "receipts.ndjson"
        failing = [word for fault in FAULTS for word in ("--fail", fault)]
        command = [*RECEIVER, "--receipts", str(self._log), *failing]
        self._process = Process(command, folder / "partner.log")
        self.url = "http://" + self._process.said("http://")

    def received(self, destination: str) -> list[str]:
        """Ids in the order of arrival."""
        return [str(line["messageId"]) for line in read_log(self._log) if line["path"] == f"/{destination}"]

    def close(self) -> None:
        self._process.stop(STOP_SECONDS)


def archived(folder: Path) -> list[str]:
    """Ids of all events in the files of an archive that nobody writes to any more."""
    return [str(event["messageId"]) for path in sorted(folder.glob("*.ndjson*")) for event in _events(path)]


def _events(path: Path) -> Iterable[dict[str, object]]:
    return map(orjson.loads, path.read_bytes().splitlines())
