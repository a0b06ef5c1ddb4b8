"""Faults of the identity store: kill -9, damage, another cluster's log, a full disk. It lags, and never leads."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from router.identity import Replica, link, pack_facts, profile_id
from router.identity.store_rocksdb import RocksIdentityStore
from router.state.rocks import StateError
from tests.dedupe.windows import asides
from tests.identity.replicas import memory, memory_replica, open_replica, record

ROOT = Path(__file__).parents[2]
PER_RECORD = 40
LINKING = """
import sys
from pathlib import Path
from router.identity import store_rocksdb as store_module
from tests.identity.replicas import open_replica
from tests.identity.test_store_faults import log_record
store_module.WRITE_BUFFER = 64 * 1024
replica = open_replica(Path(sys.argv[1]))
"""
WRITER = (
    LINKING
    + """
while True:
    replica.apply_record(replica.position(), 1, log_record(replica.position()))
    print(replica.position(), flush=True)
"""
)
FULL = (
    LINKING
    + """
import resource, signal
from router.state.rocks import StateError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    for _ in range(5000):
        replica.apply_record(replica.position(), 1, log_record(replica.position()))
except StateError as error:
    print(error)
    raise SystemExit(error.status)
"""
)


def log_record(offset: int) -> bytes:
    """The log's record at this offset: users that meet devices of earlier records."""
    chance = random.Random(offset)
    facts = [
        link(
            (("user_id", str(chance.randrange(offset + 3))), ("anonymous_id", str(chance.randrange(20 * offset + 20))))
        )
        for _ in range(PER_RECORD)
    ]
    (packed,) = pack_facts(facts)
    return packed


def expected(position: int) -> Replica:
    """What the log up to this position comes to."""
    model = memory_replica()
    for offset in range(position):
        model.apply_record(offset, 1, log_record(offset))
    return model


def same(replica: Replica, model: Replica) -> bool:
    stored = replica.store.profiles_of(memory(model).ids)
    return all(stored[identifier] == id_ for identifier, id_ in memory(model).ids.items()) and all(
        replica.store.profile(id_) == profile for id_, profile in memory(model).profiles.items()
    )


def fill(path: Path, records: int = 200) -> None:
    replica = open_replica(path)
    for offset in range(records):
        replica.apply_record(offset, 1, log_record(offset))
    replica.close()


def tables(path: Path) -> list[Path]:
    return sorted((path / "identity").glob("*.sst"), key=lambda file: file.stat().st_size)


def killed_after(path: Path, records: int) -> int:
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        written = [int(child.stdout.readline()) for _ in range(records)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()  # not by communicate(), which misses lines that readline() has read ahead
    return max([*written, *map(int, rest.split())])


def test_after_kill_9_the_state_is_that_of_the_position(tmp_path: Path) -> None:
    """Eight times: profiles and position are one; the log from there on gives the rest."""
    chance = random.Random(3)
    reached = 0
    for _ in range(8):
        written = killed_after(tmp_path, chance.randrange(20, 90))
        replica = open_replica(tmp_path)
        assert reached <= replica.position() <= written + 1  # the last one may have been applied and not yet told
        reached = replica.position()
        model = expected(reached)
        assert same(replica, model)
        for offset in range(reached, written):
            content = log_record(offset)
            assert replica.apply_record(offset, 1, content) == model.apply_record(offset, 1, content)
        assert same(replica, model)
        replica.close()
        reached = max(reached, written)
    assert asides(tmp_path) == []


def test_a_reset_is_whole_after_kill_9(tmp_path: Path) -> None:
    """Position and profiles of the old log must go together: half of them would be believed."""
    fill(tmp_path, 20)
    code = LINKING + "import os\nreplica.reset(0)\nos.kill(os.getpid(), 9)\n"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    replica = open_replica(tmp_path)
    assert replica.position() == 0
    assert replica.store.are_alone(memory(expected(20)).ids)
    replica.close()


@pytest.mark.parametrize("other", [{"cluster": "another"}, {"topic": "another"}], ids=["cluster", "topic"])
def test_a_replica_of_another_log_is_set_aside(tmp_path: Path, other: dict[str, str]) -> None:
    fill(tmp_path, 5)
    replica = open_replica(tmp_path, **other)
    assert replica.position() == 0
    assert asides(tmp_path) == ["identity.aside-1"]
    replica.close()


def spoil_current(path: Path) -> None:
    (path / "identity" / "CURRENT").write_text("garbage")


def lose_current(path: Path) -> None:
    (path / "identity" / "CURRENT").unlink()


def cut_manifest(path: Path) -> None:
    (manifest,) = (path / "identity").glob("MANIFEST-*")
    manifest.write_bytes(manifest.read_bytes()[:30])


def lose_a_table(path: Path) -> None:
    tables(path)[-1].unlink()


def cut_a_table(path: Path) -> None:
    tables(path)[-1].write_bytes(tables(path)[-1].read_bytes()[:1000])


@pytest.mark.parametrize("spoil", [spoil_current, lose_current, cut_manifest, lose_a_table, cut_a_table])
def test_damage_found_at_the_start_sets_the_replica_aside_and_the_log_rebuilds_it(
    tmp_path: Path, spoil: object
) -> None:
    fill(tmp_path)
    spoil(tmp_path)  # type: ignore[operator]
    replica = open_replica(tmp_path)
    assert replica.position() == 0
    assert asides(tmp_path) == ["identity.aside-1"]
    replica.close()
    fill(tmp_path)
    replica = open_replica(tmp_path)
    assert same(replica, expected(200))
    replica.close()


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for at in range(0, len(content) * 3 // 4, 500):
        content[at] ^= 0xFF
    file.write_bytes(content)


def test_damage_found_while_running_stops_the_worker_and_the_next_start_begins_empty(tmp_path: Path) -> None:
    fill(tmp_path)
    flip(tables(tmp_path)[-1])
    replica = open_replica(tmp_path)
    with pytest.raises(StateError, match=r"(?i)corruption"):
        replica.resolve_many([(identifier,) for identifier in memory(expected(200)).ids])
    replica.close()
    again = open_replica(tmp_path)
    assert again.position() == 0
    assert asides(tmp_path) == ["identity.aside-1"]
    again.close()


def test_damage_under_the_merges_is_not_taken_for_its_end(tmp_path: Path) -> None:
    """Merges that seem not to be there would never be written."""
    fill(tmp_path)
    flip(tables(tmp_path)[-1])
    replica = open_replica(tmp_path)
    with pytest.raises(StateError, match=r"(?i)corruption"):
        replica.store.merges_from(0, 10**9)
    replica.close()


def test_a_profile_that_is_missing_is_damage(tmp_path: Path) -> None:
    """What no checksum can see: rows that do not belong together."""
    replica = open_replica(tmp_path)
    replica.apply_record(0, 1, record(link((("user_id", "u"), ("email", "e")))))
    assert isinstance(replica.store, RocksIdentityStore)
    del replica.store._db[b"i" + bytes.fromhex(profile_id(("user_id", "u"))[2:])]
    replica.close()
    replica = open_replica(tmp_path)
    with pytest.raises(StateError, match="not there"):
        replica.apply_record(1, 1, record(link((("email", "e"), ("phone", "p")))))
    replica.close()
    assert open_replica(tmp_path).position() == 0


def test_a_full_disk_stops_the_worker_and_the_replica_goes_on_with_room(tmp_path: Path) -> None:
    """The limit on file sizes stands for a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 3, done.stderr
    replica = open_replica(tmp_path)
    assert same(replica, expected(replica.position()))
    replica.apply_record(replica.position(), 1, log_record(replica.position()))
    assert same(replica, expected(replica.position()))
    assert asides(tmp_path) == []
    replica.close()
