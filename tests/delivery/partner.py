"""`router receiver` as a process of its own, told over HTTP how to misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Self

from ops.running import RECEIVER
from router.receiver import read_log

DEADLINE = 120.0


class Partner:
    """`url` plus a path is a destination's address; what it accepts under a path is in `receipts`."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "receipts"
        command = [sys.executable, "-m", *RECEIVER, "--receipts", str(self._log)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the receiver did not start"

    def webhook(self, path: str, **more: Any) -> dict[str, Any]:
        """A destination of a topology file that delivers here."""
        settings = {"url": self.url + path, "allow_private": True} | more.pop("settings", {})
        return {"type": "webhook", "settings": settings} | more

    def faults(self, **paths: list[dict[str, Any]]) -> None:
        """Replace all faults: path without its slash to the list of them."""
        body = json.dumps({f"/{path}": faults for path, faults in paths.items()}).encode()
        with urllib.request.urlopen(f"{self.url}/_faults", body, DEADLINE) as answer:
            assert answer.status == 200

    def requests(self, path: str) -> int:
        """Requests that arrived, accepted or not."""
        return self._stats("requests", path)

    def accepted(self, path: str) -> int:
        """Events that were accepted, repeats included."""
        return self._stats("accepted", path)

    def _stats(self, name: str, path: str) -> int:
        with urllib.request.urlopen(f"{self.url}/_stats", timeout=DEADLINE) as answer:
            return int(json.load(answer)[name].get(path, 0))

    def receipts(self, path: str) -> list[dict[str, Any]]:
        return [receipt for receipt in read_log(self._log) if receipt["path"] == path]

    def names(self, path: str) -> list[str]:
        """messageIds in order of arrival, repeats included."""
        return [receipt["messageId"] for receipt in self.receipts(path)]

    def counts(self, path: str) -> Counter[str]:
        return Counter(self.names(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(DEADLINE)
        if self._process.stdout is not None:
            self._process.stdout.close()
