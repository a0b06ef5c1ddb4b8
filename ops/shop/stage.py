"""`router up` with the shop's topology as a child process: its addresses, its figures, its end."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from threading import Thread

from ops.shop import child
from ops.shop.child import ROOT
from ops.shop.partner import Partner
from router.config.loader import Loaded, load_topology
from router.config.options import Address, parse_address
from router.destinations.registry import destination_types
from router.errors import Unavailable
from router.kafka.cluster import Cluster
from router.process.scrape import health, scrape
from router.process.snapshot import Snapshot, snapshot

TOPOLOGY = ROOT / "topologies" / "shop.yaml"
READY_SECONDS = 90.0
STOP_SECONDS = 45.0
# Pauses between attempts as one wants to watch them; those of the topology are meant for real partners.
QUICK = """\
name: shop
destinations:
  crm: {delivery: {retry: {first: 200ms, longest: 2s}}}
  ads: {delivery: {retry: {first: 200ms, longest: 2s}}}
"""
_ANNOUNCED = re.compile(r"\s+(broker|gateway|metrics)\s+(?:http://)?([^\s/,]+)")


class Stage:
    """Starts on construction, on free ports; `folder` gets the override, the archive, the state and router.log."""

    def __init__(self, folder: Path, partner: Partner, bootstrap: str = "") -> None:
        self.log = folder / "router.log"
        self.lake = folder / "lake"
        override = folder / "quick.yaml"
        override.write_text(QUICK)
        files = [TOPOLOGY, override]
        own = {name: value for name, value in os.environ.items() if not name.startswith("ROUTER_")}
        urls = {"CRM_URL": f"{partner.url}/crm", "ADS_URL": f"{partner.url}/ads"}
        environment = own | urls | {"LAKE_PATH": str(self.lake)}
        self.loaded: Loaded = load_topology(files, env=environment, registry=destination_types())
        command = ["-m", "router", "up", *map(str, files), "--state", str(folder / "state")]
        command += ["--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
        command += ["--bootstrap", bootstrap] if bootstrap else []
        self._addresses: dict[str, str] = {}
        with self.log.open("wb") as log:
            self._child = child.start(command, environment, log)
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.embedded = not bootstrap

    @property
    def gateway(self) -> str:
        return f"http://{self._addresses['gateway']}"

    @property
    def broker(self) -> str:
        return self._addresses["broker"]

    @property
    def metrics(self) -> Address:
        return parse_address(self._addresses["metrics"])

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.broker, embedded=self.embedded)

    def write_key(self, source: str) -> str:
        return self.loaded.topology.sources[source].write_keys[0].get_secret_value()

    def wait_ready(self) -> None:
        """Until every process is. Raises Unavailable, with the end of the log, when one of them never is."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.insist()
            if "metrics" in self._addresses and self._is_ready():
                return
            time.sleep(0.1)
        raise Unavailable(f"the router was not ready in {READY_SECONDS:.0f} s\n{self.log_end()}")

    def insist(self) -> None:
        """Raises Unavailable when the router has ended by itself."""
        status = self._child.poll()
        if status is not None:
            raise Unavailable(f"the router ended with status {status}\n{self.log_end()}")

    def seen(self) -> Snapshot:
        """The router's figures now. Raises Unavailable."""
        return snapshot(scrape(self.metrics, 10))

    def close(self) -> int:
        """Stop as SIGTERM does; returns the exit status."""
        return child.stop(self._child, STOP_SECONDS)

    def log_end(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _is_ready(self) -> bool:
        try:
            return health(self.metrics, "/readyz").ok
        except Unavailable:
            return False

    def _listen(self) -> None:
        """Read what `router up` announces, to its end."""
        assert self._child.stdout is not None
        for line in iter(self._child.stdout.readline, ""):
            if match := _ANNOUNCED.match(line):
                self._addresses[match[1]] = match[2]
