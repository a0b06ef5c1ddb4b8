"""What each line of the runtime is there for: it is undone in a copy of the project, and its tests must fail.

usage: python -m tests.runtime.undone [WORD…]     the lines whose name has one of the words; all, when none is given
Exit status 1 when a test passes without its line. The suite checks that each line is still where it is said to be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAPS = "tests/runtime/test_traps.py"
CRASHES = "tests/runtime/test_crash_points.py"
SECONDS = 120


@dataclass(frozen=True)
class Undone:
    """`old` stands once in `file`; with `new` in its place a test among `tests` (pytest arguments) must fail.

    `also` is another file with what is replaced in it, where one line does not stand alone.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    also: tuple[str, str, str] | None = None

    @property
    def edits(self) -> list[tuple[str, str, str]]:
        first = (self.file, self.old, self.new)
        return [first, self.also] if self.also else [first]


def trap(name: str) -> str:
    return f"{TRAPS}::{name}"


WORKER, READER, OUTPUTS = "router/runtime/worker.py", "router/runtime/reader.py", "router/runtime/outputs.py"
LINES = [
    Undone(
        "look-ups see the keys of the batch that is being committed", WORKER,
        "self._chain.chain.dedupe.pending = following.batch.fresh if following is not None else {}",
        "self._chain.chain.dedupe.pending = {}",
        f"{CRASHES}::test_exactly_once_at_every_crash_point",
    ),
    Undone(
        "local state is written after the commit", WORKER,
        "        self._under_way = following\n        if following is not None:\n",
        "        self._under_way = following\n        if following is not None:\n"
        "            self._store.write([(k, at) for k, (at, _) in following.batch.fresh.items()], {})\n",
        f"{CRASHES}::test_exactly_once_at_every_crash_point",
    ),
    Undone(
        "an abort drops the pending keys", WORKER,
        "        self._chain.chain.dedupe.pending = {}\n        self.reader.rewind()",
        "        self.reader.rewind()",
        trap("test_an_aborted_batch_is_read_again_and_counted_once"),
    ),
    Undone(
        "an abort rewinds every partition", WORKER,
        "        self.reader.rewind()\n", "",
        trap("test_an_aborted_batch_is_read_again_and_counted_once"),
    ),
    Undone(
        "an abort takes the totals back", READER,
        "            lane.ahead = lane.totals.copy()\n", "",
        trap("test_an_aborted_batch_is_read_again_and_counted_once"),
    ),
    Undone(
        "an abort takes the totals back before the next batch counts", WORKER,
        "            lane.ahead = lane.ahead.copy()\n", "",
        f"{CRASHES} {trap('test_an_aborted_batch_is_read_again_and_counted_once')}",
    ),
    Undone(
        "an error that asks for no abort is aborted all the same", OUTPUTS,
        "        try:\n            self._insist(\"abort_transaction\", CALL_SECONDS)",
        "        if not cause.txn_requires_abort():\n            raise Unavailable(cause.str())\n"
        "        try:\n            self._insist(\"abort_transaction\", CALL_SECONDS)",
        trap("test_an_aborted_batch_is_read_again_and_counted_once"),
    ),
    Undone(
        "a retriable error is tried again", OUTPUTS,
        "if cause.fatal() or not cause.retriable() or cause.txn_requires_abort():", "if True:",
        trap("test_what_librdkafka_calls_retriable_is_called_again"),
    ),
    Undone(
        "a fatal error ends the worker", OUTPUTS,
        "        if cause.fatal():\n            raise Fenced(f\"this worker's transactions are over: {cause.str()}\")",
        "        if False:\n            raise Fenced(\"\")",
        f"{trap('test_a_fatal_error_ends_the_worker_at_once')} {CRASHES}::test_a_fenced_worker_commits_nothing",
    ),
    Undone(
        "a batch that failed is not collected twice", WORKER,
        "        self._under_way = None\n        if previous is not None:",
        "        if previous is not None:",
        trap("test_a_worker_that_ends_by_an_error_leaves_by_that_error"),
    ),
    Undone(
        "a batch is committed with its generation", OUTPUTS,
        "work.offsets, work.group, CALL_SECONDS", "work.offsets, self._writer.producer._kafka.generation, CALL_SECONDS",
        trap("test_a_batch_is_committed_in_the_generation_that_read_it"),
    ),
    Undone(
        "group metadata is taken by the reading thread, with the batch", WORKER,
        "        group = self.reader.group()\n", "        group = self.reader.group\n",
        trap("test_the_consumer_belongs_to_one_thread"),
        (OUTPUTS, "work.offsets, work.group, CALL_SECONDS", "work.offsets, work.group(), CALL_SECONDS"),
    ),
    Undone(
        "on_revoke and on_lost wait for the running commit", WORKER,
        "        if self._under_way is not None:\n            try:\n                self._collect(None)\n"
        "            except Redo as redo:\n                log.warning(\"transaction aborted (%s) as",
        "        if False:\n            try:\n                self._collect(None)\n"
        "            except Redo as redo:\n                log.warning(\"transaction aborted (%s) as",
        trap("test_partitions_go_only_once_the_running_commit_has_ended"),
    ),
    Undone(
        "messages read before a rebalance are dropped", READER,
        "return batch if generation == self._generation else []", "return batch",
        trap("test_messages_read_before_a_rebalance_are_left_to_the_next_owner"),
    ),
    Undone(
        "a worker shows only the partitions it owns", WORKER,
        "            hide(lane)\n", "            pass\n",
        trap("test_a_worker_shows_the_counts_of_its_own_partitions_only"),
    ),
    Undone(
        "committed offsets are read before the changelog's end", READER,
        "        self._start(partitions)\n        if not partitions:",
        "        self.lanes = [Lane(tp.topic, tp.partition, -2, -2) for tp in partitions]\n        self._on_gain()\n"
        "        self._on_gain = lambda: None\n        self._start(partitions)\n        if not partitions:",
        trap("test_committed_offsets_are_read_before_the_changelogs_end"),
    ),
    Undone(
        "a restore reads what is committed, up to the end of what is written", "router/runtime/restore.py",
        "ends.get_watermark_offsets(place, CALL_SECONDS)",
        "(0, ends._kafka.end((place.topic, place.partition), uncommitted=False))",
        trap("test_a_restore_goes_on_to_the_end_of_what_was_written"),
    ),
    Undone(
        "partitions start paused", READER,
        "        self.pause()\n        self._on_gain()", "        self._on_gain()",
        f"{CRASHES}::test_exactly_once_at_every_crash_point",
    ),
    Undone(
        "nothing is read before identities have caught up", WORKER,
        " and restore.done and self._links.caught_up", " and restore.done",
        trap("test_nothing_is_read_before_state_is_restored"),
    ),
    Undone(
        "the identity log's end is looked up at every assignment", WORKER,
        "        self._links.look()\n", "",
        trap("test_the_end_of_identities_is_looked_up_at_every_assignment"),
    ),
    Undone(
        "the end of a partition may come with its last messages", READER,
        "            lane.reached_ms = at if kind",
        "            lane.end = None\n            lane.reached_ms = at if kind",
        trap("test_the_end_of_a_partition_may_come_with_its_last_messages"),
    ),
    Undone(
        "nothing to read is the end-of-partition event, not the lag", READER,
        "return self.end is not None and self.end >= self.next",
        "return self.end is not None and self.end == self.next",
        trap("test_markers_behind_the_last_message_are_nothing_to_read"),
    ),
    Undone(
        "a gap is counted as lost", READER,
        "        metrics.LOST.labels(place[0], str(place[1])).inc(lost)\n", "",
        trap("test_a_gap_is_counted_and_reading_goes_on_behind_it"),
    ),
    Undone(
        "progress is watched for each partition", WORKER,
        "                self._health.progress(lane.name, STUCK_SECONDS)\n",
        "                self._health.progress(lane.name, 1e9)\n",
        trap("test_a_partition_that_stands_still_is_not_live"),
    ),
    Undone(
        "at_least_once: outputs before the changelog", OUTPUTS,
        "        writer.produce(work.records, report=True)\n        writer.flush()\n"
        "        writer.produce_changelog(work.changelog)\n        writer.flush()\n",
        "        writer.produce_changelog(work.changelog)\n        writer.flush()\n"
        "        writer.produce(work.records, report=True)\n        writer.flush()\n",
        f"{CRASHES}::test_at_least_once_at_every_crash_point",
    ),
    Undone(
        "at_least_once: offsets after outputs", WORKER,
        "            self._committer.hand_over(following.work)\n",
        "            if not self._transactional:\n                self.reader.commit(following.work.offsets)\n"
        "            self._committer.hand_over(following.work)\n",
        f"{CRASHES}::test_at_least_once_at_every_crash_point",
    ),
]  # fmt: skip


def fails_without(line: Undone, copy: Path) -> bool:
    """Whether the tests notice."""
    whole = {file: (copy / file).read_text() for file, _, _ in line.edits}
    for file, old, new in line.edits:
        (copy / file).write_text(whole[file].replace(old, new))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *line.tests.split()]
        environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return True
    finally:
        for file, text in whole.items():
            (copy / file).write_text(text)
    if ended.returncode not in (0, 1):
        raise SystemExit(f"{line.name}: pytest ended with {ended.returncode}\n{ended.stdout.decode()[-2000:]}")
    return ended.returncode == 1


def main(words: list[str]) -> int:
    chosen = [line for line in LINES if not words or any(word in line.name for word in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="undone-") as folder:
        copy = Path(folder) / "copy"
        skip = shutil.ignore_patterns(".git", ".venv", ".cache", "__pycache__", ".run")
        shutil.copytree(ROOT, copy, ignore=skip)
        for line in chosen:
            noticed = fails_without(line, copy)
            unnoticed += not noticed
            print(f"{'noticed' if noticed else 'NOT NOTICED'}  {line.name}", flush=True)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
