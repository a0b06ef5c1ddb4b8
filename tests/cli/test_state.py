"""`router state`: what workers keep on disk, beside the logs it is made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.dedupe.window import Row
from router.dedupe.window_rocksdb import RocksWindow
from router.embedded.broker import EmbeddedBroker
from router.identity import link, pack_facts
from router.kafka.cluster import EMBEDDED, Cluster
from tests.brokers.messages import produce
from tests.cli.lines import Line
from tests.dedupe.windows import DAY, MARK, NOON, key, keys, packed, rows_of
from tests.identity.replicas import open_replica

BATCHES = 6
FACTS = [link((("user_id", f"u{n // 3}"), ("anonymous_id", f"a{n}"))) for n in range(30)]


class Place:
    """A topology with its logs on the embedded broker and one worker's state."""

    def __init__(self, folder: Path, broker: EmbeddedBroker, name: str) -> None:
        self.bootstrap = broker.bootstrap
        self.state = folder / "state"
        self.slot = self.state / name / "route-0"
        self.topology = folder / "shop.yaml"
        self.topology.write_text(
            f"name: {name}\ntopics: {{prefix: {name}., partitions: 2}}\nsources: {{web: {{write_keys: [k]}}}}\n"
        )
        self.changelog, links = f"{name}.{name}.dedupe-changelog", f"{name}.identity.links"
        broker.create_topics({self.changelog: 2, links: 1})
        cluster = broker.cluster
        for partition in (0, 1):
            values = [packed(self.rows(partition, batch)) for batch in range(BATCHES)]
            produce(cluster, self.changelog, values, partition=partition)
        produce(cluster, links, [pack_facts([fact])[0] for fact in FACTS])

    @staticmethod
    def rows(partition: int, batch: int) -> list[Row]:
        return [(key, NOON + batch, MARK) for key in keys((partition, batch), 20)]

    def store(self, *, until: int = BATCHES, without: tuple[int, int] | None = None, links: int = len(FACTS)) -> None:
        """The worker's stores after so many records of each partition; `without` leaves one out by mistake."""
        window = RocksWindow.open(self.slot / "window", "c", "t", window_ms=DAY)
        for batch in range(until):
            for partition in (0, 1):
                rows = [] if (partition, batch) == without else self.rows(partition, batch)
                window.write(rows_of(rows), {partition: batch + 1})
        window.close()
        replica = open_replica(self.slot, cluster="c", topic="t")
        for offset in range(links):
            replica.apply_record(offset, NOON, pack_facts([FACTS[offset]])[0])
        replica.close()

    def arguments(self, verb: str) -> tuple[object, ...]:
        return ("state", verb, self.topology, "--state", self.state, "--bootstrap", self.bootstrap, "--json")


@pytest.fixture
def place(tmp_path: Path, embedded: EmbeddedBroker, unique: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("ROUTER_EMBEDDED", "1")
    return Place(tmp_path, embedded, unique)


def test_stat_shows_counts_sizes_and_how_far_each_store_lags(line: Line, place: Place) -> None:
    place.store(until=4, links=25)

    ended = line(*place.arguments("stat"))

    assert ended.status == 0, ended.err
    (slot,) = ended.answer
    assert slot["slot"] == "route-0"
    assert slot["window"]["families"] == {str(NOON): 160}
    assert slot["window"]["checkpoints"] == {"0": 4, "1": 4}
    assert slot["window"]["lag"] == {"0": 2, "1": 2}
    assert slot["window"]["bytes"] > 160 * 16
    assert (slot["identity"]["position"], slot["identity"]["lag"]) == (25, 5)


def test_stat_needs_no_broker(line: Line, place: Place) -> None:
    place.store()

    ended = line("state", "stat", place.topology, "--state", place.state)

    assert ended.status == 0, ended.err
    head, window, identity = ended.out.splitlines()
    assert head.split() == ["store", "ids", "on", "disk", "since", "reaches", "lag"]
    assert window.startswith("route-0/window")
    assert "0:6 1:6" in window
    assert identity.startswith("route-0/identity")


def test_verify_finds_stores_that_are_what_the_logs_say(line: Line, place: Place) -> None:
    place.store(until=5, links=20)

    ended = line(*place.arguments("verify"))

    assert ended.status == 0, ended.err + ended.out
    window, identity = ended.answer
    assert (window["store"], window["checked"], window["missing"], window["different"]) == ("window", 200, 0, 0)
    assert (identity["store"], identity["missing"], identity["extra"]) == ("identity", 0, 0)
    assert identity["checked"] > 20
    assert sorted(path.name for path in place.slot.parent.iterdir()) == ["route-0"]


def test_verify_finds_rows_that_the_checkpoint_vouches_for_in_vain(line: Line, place: Place) -> None:
    place.store(without=(1, 3))

    ended = line(*place.arguments("verify"))

    assert ended.status == 1
    assert (ended.answer[0]["checked"], ended.answer[0]["missing"]) == (240, 20)


def test_verify_finds_a_replica_that_took_another_way(line: Line, place: Place) -> None:
    place.store(links=10)
    replica = open_replica(place.slot, cluster="c", topic="t")
    (stranger,) = pack_facts([link((("user_id", "x"), ("anonymous_id", "y")))])
    replica.apply_record(10, NOON, stranger)
    replica.close()

    ended = line(*place.arguments("verify"))

    assert ended.status == 1
    identity = ended.answer[1]
    assert identity["extra"] >= 2  # the strangers
    assert identity["missing"] + identity["different"] > 0


def test_a_store_past_the_end_of_its_log_is_said(line: Line, place: Place) -> None:
    place.store()
    window = RocksWindow.open(place.slot / "window", "c", "t", window_ms=DAY)
    window.write(rows_of([(key("more"), NOON, MARK)]), {0: BATCHES + 1})
    window.close()

    ended = line(*place.arguments("verify"))

    assert ended.status == 1
    assert "past the end" in ended.out


def test_records_that_no_router_wrote_are_no_difference(line: Line, place: Place) -> None:
    """A restore skips them too."""
    produce(Cluster(place.bootstrap, capabilities=EMBEDDED), place.changelog, [b"garbage"])
    place.store()
    window = RocksWindow.open(place.slot / "window", "c", "t", window_ms=DAY)
    window.write(rows_of([]), {0: BATCHES + 1})
    window.close()

    ended = line(*place.arguments("verify"))

    assert ended.status == 0, ended.err + ended.out
    assert ended.answer[0]["checked"] == 240


@pytest.mark.parametrize("verb", ["stat", "verify"])
def test_a_broker_that_is_not_there_is_status_3(line: Line, place: Place, verb: str) -> None:
    place.store()

    ended = line("state", verb, place.topology, "--state", place.state, "--bootstrap", "127.0.0.1:1", "--json")

    assert ended.status == 3


@pytest.mark.parametrize("verb", ["stat", "verify"])
def test_without_any_state_it_is_status_1(line: Line, place: Place, verb: str) -> None:
    ended = line(*place.arguments(verb))

    assert ended.status == 1
    assert "expected the state of route workers, got none" in ended.out


def test_verify_without_a_broker_is_wrong_usage(line: Line, place: Place) -> None:
    assert line("state", "verify", place.topology, "--state", place.state).status == 2
