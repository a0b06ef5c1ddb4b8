"""`router up` with the shop's topology as a child process: its addresses, its figures, its end."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from ops.running import ROOT, Process, figures, plain_environment
from ops.shop.partner import Partner
from router.config.loader import Loaded, load_topology
from router.config.options import Address, RunOptions, parse_address
from router.destinations.registry import destination_types
from router.kafka.cluster import Cluster
from router.process.snapshot import Snapshot

TOPOLOGY = ROOT / "topologies" / "shop.yaml"
STOP_SECONDS = 45.0
CONSOLE = "127.0.0.1:8090"  # another port where this one is taken
# A warehouse, and pauses between attempts as one wants to watch them; those of the topology are for real partners.
OVERRIDE = """\
name: shop
destinations:
  crm: {delivery: {retry: {first: 200ms, longest: 2s}}}
  ads: {delivery: {retry: {first: 200ms, longest: 2s}}}
  warehouse: {type: warehouse, settings: {url: "duckdb:///shop.duckdb", every: 2s}}
"""


class Stage:
    """Starts on construction, on free ports; `folder` gets the override, the archive, the warehouse, the state and
    router.log."""

    def __init__(self, folder: Path, partner: Partner, bootstrap: str = "", *, console: bool = False) -> None:
        self.lake = folder / "lake"
        self.warehouse = folder / "shop.duckdb"
        override = folder / "demo.yaml"
        override.write_text(OVERRIDE)
        files = [TOPOLOGY, override]
        urls = {"CRM_URL": f"{partner.url}/crm", "ADS_URL": f"{partner.url}/ads"}
        self._has_console = console
        environment = plain_environment(**urls, LAKE_PATH=str(self.lake))
        self.loaded: Loaded = load_topology(files, env=environment, registry=destination_types())
        self._starts_broker = not bootstrap
        command = ["router", "up", *map(str, files), "--state", str(folder / "state")]
        command += ["--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
        command += ["--bootstrap", bootstrap] if bootstrap else []
        command += ["--console", CONSOLE, "--insights", "127.0.0.1:0"] if console else []
        self._process = Process(command, folder / "router.log", environment)

    @cached_property
    def gateway(self) -> str:
        """URL."""
        return self._process.said("  gateway ")

    @cached_property
    def broker(self) -> str:
        """Bootstrap address."""
        return self._process.said("  broker ").partition(" ")[0]

    @cached_property
    def metrics(self) -> Address:
        return parse_address(self._process.said("  metrics  http://").partition("/")[0])

    @property
    def console(self) -> str:
        """URL; an empty text without a console."""
        return self._process.said("  console ") if self._has_console else ""

    @property
    def cluster(self) -> Cluster:
        return Cluster.of(RunOptions(bootstrap=self.broker, embedded=self._starts_broker))

    def write_key(self, source: str) -> str:
        return self.loaded.topology.sources[source].write_keys[0].get_secret_value()

    def wait_ready(self) -> None:
        """Until every process is. Raises Unavailable, with the end of the log, when one of them never is."""
        self._process.wait_ready(self.metrics)

    def insist(self) -> None:
        """Raises Unavailable when the router has ended by itself."""
        self._process.insist()

    def seen(self) -> Snapshot:
        """The router's figures now. Raises Unavailable."""
        return figures(self.metrics)

    def close(self) -> int:
        """Stop as SIGTERM does; returns the exit status."""
        return self._process.stop(STOP_SECONDS)
