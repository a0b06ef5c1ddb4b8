"""`router state`: what route workers keep on disk, how far it reaches, and whether it is what the logs say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from router.cli import report
from router.cli.loading import load, named_cluster, require_broker
from router.cli.options import Json, Topologies, with_run_options
from router.cli.screen import console, table
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.dedupe.changelog import ChangelogError, unpack
from router.dedupe.inspect import WindowReader, compare_window, window_reader
from router.dedupe.window import NO_ROWS, Rows
from router.errors import RouterError
from router.events.times import iso
from router.events.topics import Topics
from router.identity import IdentityRules, Replica
from router.identity.inspect import ReplicaReader, replica_reader
from router.identity.store_rocksdb import FOLDER, RocksIdentityStore
from router.kafka.admin import Admin, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.span import span
from router.state.comparison import Comparison, compare_states
from router.state.slot import slots

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Show and verify what route workers keep on disk. A running worker is shown as of its last flush to disk."""


@app.command()
@with_run_options("bootstrap", "state", "kafka", "env_file")
def stat(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Show counts, sizes and checkpoints of every worker's stores; with --bootstrap also how far they lag."""
    topics = topics_of(load(topologies, options, secrets=False).topology)
    folders = _slots(options, topics)
    ends = _ends(Admin(named_cluster(options)), topics) if options.bootstrap else {}
    found = [_stat(slot, topics, ends) for slot in folders]
    if as_json:
        report.current().answer(found)
        return
    made = table("store", "ids", "on disk", "since", "reaches", "lag", numbers=2)
    for slot in found:
        for row in _lines(slot):
            made.add_row(*row)
    console().print(made)


@app.command()
@with_run_options("bootstrap", "state", "kafka", "env_file")
def verify(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Compare every worker's stores with the logs they are made from. Exit status 1 when anything differs.

    The identity log is read anew into a scratch replica beside the state, which needs as much room again.
    """
    require_broker(options)
    topics = topics_of(load(topologies, options, secrets=False).topology)
    cluster = named_cluster(options)
    ends = _ends(Admin(cluster), topics)
    found = [one for slot in _slots(options, topics) for one in _verify(slot, cluster, topics, ends)]
    if as_json:
        report.current().answer([{"slot": slot, "store": store, **asdict(outcome)} for slot, store, outcome in found])
    else:
        made = table("store", "checked", "missing", "different", "extra", "expired", numbers=5)
        for slot, store, outcome in found:
            made.add_row(f"{slot}/{store}", *(str(count) for count in asdict(outcome).values()))
        console().print(made)
    if not all(outcome.same for _, _, outcome in found):
        raise typer.Exit(1)


Ends = dict[tuple[str, int], Watermarks]


def _slots(options: RunOptions, topics: Topics) -> list[Path]:
    folder = options.state / topics.name
    found = slots(folder)
    if not found:
        raise RouterError(f"{folder}: expected the state of route workers, got none")
    return found


def _ends(admin: Admin, topics: Topics) -> Ends:
    present = admin.topics()
    names = (topics.dedupe_changelog, topics.links)
    if missing := [name for name in names if name not in present]:
        raise RouterError(f"topics are missing: {', '.join(missing)}; run `router topics apply`")
    return admin.watermarks([(name, number) for name in names for number in range(present[name])])


def _stat(slot: Path, topics: Topics, ends: Ends) -> dict[str, Any]:
    found: dict[str, Any] = {"slot": slot.name}
    with window_reader(slot, topics.window_ms) as window:
        if window is not None:
            view = asdict(window.view())
            lag = {p: _lag(ends, topics.dedupe_changelog, p, at) for p, at in window.checkpoints.items()}
            found["window"] = view | {"lag": lag if ends else None}
    with replica_reader(slot) as replica:
        if replica is not None:
            lag_of_log = _lag(ends, topics.links, 0, replica.position) if ends else None
            found["identity"] = asdict(replica.view()) | {"lag": lag_of_log}
    return found


def _lag(ends: Ends, topic: str, partition: int, position: int) -> int:
    end = ends.get((topic, partition))
    return max(0, end.high - position) if end else 0


def _lines(slot: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    window, identity = slot.get("window"), slot.get("identity")
    if window:
        reaches = " ".join(f"{partition}:{offset}" for partition, offset in sorted(window["checkpoints"].items()))
        since = iso(min(window["families"])) if window["families"] else "-"
        lag = "-" if window["lag"] is None else str(sum(window["lag"].values()))
        ids = sum(window["families"].values())
        yield f"{slot['slot']}/window", str(ids), _size(window["bytes"]), since, reaches or "-", lag
    if identity:
        lag = "-" if identity["lag"] is None else str(identity["lag"])
        reaches = str(identity["position"])
        yield f"{slot['slot']}/identity", str(identity["records"]), _size(identity["bytes"]), "-", reaches, lag


def _size(count: int) -> str:
    return f"{count / 1024**2:.1f} MiB"


def _verify(slot: Path, cluster: Cluster, topics: Topics, ends: Ends) -> Iterator[tuple[str, str, Comparison]]:
    with window_reader(slot, topics.window_ms) as window:
        if window is not None:
            yield slot.name, "window", _verify_window(window, cluster, topics.dedupe_changelog, ends)
    with replica_reader(slot) as replica:
        if replica is not None:
            yield slot.name, "identity", _verify_identity(replica, slot, cluster, topics.links, ends)


def _verify_window(window: WindowReader, cluster: Cluster, changelog: str, ends: Ends) -> Comparison:
    outcome = Comparison()
    for partition, checkpoint in sorted(window.checkpoints.items()):
        bounds = ends.get((changelog, partition))
        if bounds is None or checkpoint > bounds.high:
            raise RouterError(f"partition {partition}: the store reaches past the end of {changelog}")
        for messages in span(cluster, changelog, partition, bounds.low, checkpoint):
            compare_window(window, [row for message in messages for row in _rows(message.value() or b"")], outcome)
    return outcome


def _rows(value: bytes) -> Rows:
    """The rows of a record; none of a foreign record, which a restore skips as well."""
    try:
        return unpack(value)
    except ChangelogError:
        return NO_ROWS


def _verify_identity(replica: ReplicaReader, slot: Path, cluster: Cluster, log: str, ends: Ends) -> Comparison:
    bounds = ends[log, 0]
    if replica.position > bounds.high:
        raise RouterError(f"the identity replica reaches past the end of {log}")
    with tempfile.TemporaryDirectory(prefix="verify-", dir=slot.parent) as scratch:
        fresh = Replica(RocksIdentityStore.open(Path(scratch) / FOLDER, "verify", "verify"), IdentityRules())
        try:
            for messages in span(cluster, log, 0, bounds.low, replica.position):
                for message in messages:
                    fresh.apply_record(message.offset() or 0, message.timestamp()[1], message.value() or b"")
        finally:
            fresh.close()
        with replica_reader(Path(scratch)) as expected:
            assert expected is not None
            return compare_states(expected.state(), replica.state())
