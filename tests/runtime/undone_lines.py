"""The lines of the router that answer a trap: what each is for, how it is undone, and which tests must notice."""

from __future__ import annotations

from dataclasses import dataclass

TRAPS = "tests/runtime/test_traps.py"
CRASHES = "tests/runtime/test_crash_points.py"


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
RESTORE, ROUTE, OFFSETS = "router/runtime/restore.py", "router/runtime/route.py", "router/kafka/offsets.py"
CLIENTS, WINDOW, SLOT = "router/kafka/clients.py", "router/state/window.py", "router/state/slot.py"
TEST_CLIENTS, TEST_OUTPUTS = "tests/kafka/test_clients.py", "tests/runtime/test_outputs.py"
TEST_READER, TEST_RESTORE = "tests/runtime/test_reader.py", "tests/runtime/test_restore.py"
TEST_WINDOW, TEST_WINDOW_FAULTS = "tests/state/test_window.py", "tests/state/test_window_faults.py"
LINKS = "router/runtime/links.py"
TEST_SLOT, TEST_ISOLATE = "tests/state/test_slot.py", "tests/runtime/test_isolate.py"
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
        "a restore reads what is committed, up to the end of what is written", RESTORE,
        "Span(*log_ends(ends, self._topic, number, CALL_SECONDS))",
        "Span(0, ends._kafka.end((self._topic, number), uncommitted=False))",
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
        "        writer.produce(work, report=True)\n        writer.flush()\n"
        "        writer.produce_changelog(work.changelog)\n        writer.flush()\n",
        "        writer.produce_changelog(work.changelog)\n        writer.flush()\n"
        "        writer.produce(work, report=True)\n        writer.flush()\n",
        f"{CRASHES}::test_at_least_once_at_every_crash_point",
    ),
    Undone(
        "at_least_once: offsets after outputs", WORKER,
        "            self._committer.hand_over(following.work)\n",
        "            if not self._transactional:\n                self.reader.commit(following.work.offsets)\n"
        "            self._committer.hand_over(following.work)\n",
        f"{CRASHES}::test_at_least_once_at_every_crash_point",
    ),
    Undone(
        "exactly_once: the changelog is part of the transaction", OUTPUTS,
        "            writer.produce_changelog(work.changelog)\n            self._insist(", "            self._insist(",
        f"{TEST_OUTPUTS}::test_outputs_changelog_and_offsets_are_one_transaction",
    ),
    Undone(
        "exactly_once: the input offsets are part of the transaction", OUTPUTS,
        "            self._insist(\"send_offsets_to_transaction\", work.offsets, work.group, CALL_SECONDS)\n", "",
        f"{CRASHES}::test_exactly_once_at_every_crash_point",
    ),
    Undone(
        "changelog records report where they landed", OUTPUTS,
        "partition, self._note_landing, None, 0)", "partition, None, None, 0)",
        f"{TEST_OUTPUTS}::test_outputs_changelog_and_offsets_are_one_transaction",
    ),
    Undone(
        "a call that hangs in the client ends the process", OUTPUTS,
        "                with self._watchdog.watch(call):\n", "                if True:\n",
        f"{TEST_OUTPUTS}::test_each_call_is_watched",
    ),
    Undone(
        "readers see committed records only", CLIENTS,
        "\"read_uncommitted\" if uncommitted else \"read_committed\"", "\"read_uncommitted\"",
        f"{TEST_CLIENTS}::test_consumers_never_commit_or_jump_by_themselves",
    ),
    Undone(
        "offsets never reset by themselves", CLIENTS,
        "\"auto.offset.reset\": \"error\"", "\"auto.offset.reset\": \"earliest\"",
        f"{TEST_CLIENTS}::test_consumers_never_commit_or_jump_by_themselves",
    ),
    Undone(
        "the end of a partition is an event", CLIENTS,
        "\"enable.partition.eof\": True", "\"enable.partition.eof\": False",
        f"{TEST_CLIENTS}::test_consumers_never_commit_or_jump_by_themselves",
    ),
    Undone(
        "the assignor is range", CLIENTS,
        "\"partition.assignment.strategy\": \"range\"", "\"partition.assignment.strategy\": \"roundrobin\"",
        f"{TEST_CLIENTS}::test_a_group_notices_a_dead_member_in_seconds",
    ),
    Undone(
        "a dead member is noticed in seconds", CLIENTS,
        "\nSESSION_MS = 6_000", "\nSESSION_MS = 45_000",
        f"{TEST_CLIENTS}::test_a_group_notices_a_dead_member_in_seconds",
    ),
    Undone(
        "a killed worker's transaction ends in seconds", CLIENTS,
        "TRANSACTION_MS = 10_000", "TRANSACTION_MS = 60_000",
        f"{TEST_CLIENTS}::test_a_dead_producers_transaction_ends_in_seconds",
    ),
    Undone(
        "committed offsets are asked for until they are stable", OFFSETS,
        "            if time.monotonic() > deadline:\n                raise Unavailable(f\"cannot read committed",
        "            if True:\n                raise Unavailable(f\"cannot read committed",
        f"{TEST_READER}::test_committed_offsets_are_asked_for_until_they_are_stable",
    ),
    Undone(
        "what is committed beside an offset is read up to its seal", OFFSETS,
        "    before, seal, _ = text.partition(SEAL)\n    return before + seal\n", "    return text\n",
        "tests/kafka/test_offsets.py",
    ),
    Undone(
        "a restore leaves out what was aborted", ROUTE,
        "reader=Consumer(clients.reader(self.cluster))",
        "reader=Consumer(clients.reader(self.cluster, uncommitted=True))",
        "tests/runtime/test_route.py::test_a_restore_reads_what_is_committed_up_to_the_end_of_what_is_written",
    ),
    Undone(
        "more partitions than the changelog has stop the worker", ROUTE,
        "if max(partitions, default=0) >= self.topics.partitions:", "if False:",
        "tests/runtime/test_route.py::test_partitions_beyond_those_of_the_changelog_are_refused",
    ),
    Undone(
        "a restore runs in slices", RESTORE,
        "while self._at and time.monotonic() < until:", "while self._at and time.monotonic() < self._deadline:",
        f"{TEST_RESTORE}::test_a_slice_ends_in_time_so_that_the_member_keeps_polling",
    ),
    Undone(
        "a store ahead of its log is set aside", RESTORE,
        "if not self._store.fits(partition, *span):", "if False:",
        f"{TEST_RESTORE}::test_a_store_ahead_of_its_log_in_one_partition_is_emptied_and_all_are_read_anew",
    ),
    Undone(
        "a store of another cluster or topic is set aside", "router/state/rocks.py",
        "    elif found != wanted:\n", "    elif False:\n",
        f"{TEST_WINDOW_FAULTS}::test_a_store_of_another_log_or_window_is_set_aside",
    ),
    Undone(
        "rows and their checkpoint reach the disk together", "router/state/rocks.py",
        "chosen.set_atomic_flush(True)", "chosen.set_atomic_flush(False)",
        TEST_WINDOW_FAULTS,
    ),
    Undone(
        "a slot has one holder", SLOT,
        "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB",
        f"{TEST_SLOT}::test_each_worker_gets_a_place_and_an_identity_of_its_own",
    ),
    Undone(
        "a slot's uuid is made once", SLOT,
        "    if not _UUID_HEX.match(content):\n", "    if True:\n",
        f"{TEST_SLOT}::test_a_released_place_is_taken_again_under_the_same_identity",
    ),
    Undone(
        "ids stay a whole window", WINDOW,
        "limit = watermark_ms - self._window_ms - min(", "limit = watermark_ms - min(",
        f"{TEST_WINDOW}::test_ids_are_known_for_a_whole_window_and_then_dropped",
    ),
    Undone(
        "ids stay until the slowest partition has read past them", READER,
        "return min((now_ms if lane.at_end", "return max((now_ms if lane.at_end",
        f"{TEST_READER}::test_the_window_moves_with_the_slowest_partition",
    ),
    Undone(
        "checkpoints of partitions that went elsewhere go with dropped ids", WINDOW,
        "[] if owned is None else [p for p in checkpoints_of(self._db) if p not in owned]", "[]",
        f"{TEST_WINDOW}::test_partitions_that_went_elsewhere_are_restored_anew_once_ids_were_dropped",
    ),
    Undone(
        "the changelog outlives window and raw events together", "router/topics.py",
        "str(self.window_ms + self.raw_retention_ms)", "str(self.window_ms)",
        "tests/test_topics.py",
    ),
    Undone(
        "only what an agent raises is poison", "router/runtime/isolate.py",
        "        except RouterError:\n            raise\n        except Exception as error:  # noqa: BLE001\n"
        "            for key in",
        "        except Exception as error:  # noqa: BLE001\n            for key in",
        f"{TEST_ISOLATE}::test_it_is_none_beside_a_poison_event_either",
    ),
    Undone(
        "totals ride in the committed offset", WORKER,
        "lane.next, metadata=metadata)", "lane.next)",
        trap("test_an_aborted_batch_is_read_again_and_counted_once"),
    ),
    Undone(
        "totals fit the metadata that brokers take", "router/runtime/totals.py",
        "            text = self._text({name: self.routed[name] for name in keep if name in self.routed})\n",
        "            pass\n",
        "tests/runtime/test_totals.py",
    ),
    Undone(
        "a batch that grew over a rebalance is dropped", WORKER,
        "            if not self.reader.lanes or self._restore is not None:\n                return\n", "",
        trap("test_a_batch_does_not_grow_over_a_rebalance"),
    ),
    Undone(
        "what was read moves its partition before more is read", WORKER,
        "        moved = self._advanced(messages)  # at once", "        moved = self._advanced([])  # at once",
        trap("test_a_batch_that_grows_behind_a_gap_has_each_message_once"),
        (WORKER, "        self._collect(self._prepare(messages, moved, started))\n",
         "        moved = self._advanced(messages)\n"
         "        self._collect(self._prepare(messages, moved, started))\n"),
    ),
    Undone(
        "a gap is found before a pause swallows it", READER,
        "        self._mind_gaps()\n", "",
        trap("test_a_gap_is_counted_and_reading_goes_on_behind_it"),
    ),
    Undone(
        "reading goes on behind a gap", READER,
        "        lane.next = lane.committed = low\n", "",
        trap("test_a_gap_is_counted_and_reading_goes_on_behind_it"),
    ),
    Undone(
        "only the first message is waited for", READER,
        "batch = self._good(consume(1, wait))", "batch = self._good(consume(CHUNK, wait))",
        f"{TEST_READER}::test_only_the_first_message_is_waited_for",
    ),
    Undone(
        "a batch is bounded in bytes", READER,
        " or size > BATCH_BYTES:", ":",
        f"{TEST_READER}::test_a_batch_of_large_messages_is_cut_by_its_size",
    ),
    Undone(
        "an acknowledged fact is applied only where the replica stands right before it", LINKS,
        "if landed == self._replica.position():", "if landed >= self._replica.position():",
        "tests/runtime/test_links.py::test_workers_that_append_at_once_end_up_with_the_same_profiles",
    ),
]  # fmt: skip
