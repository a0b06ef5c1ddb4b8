"""Work that goes on after its request: one at a time of a target, stopped when asked, and its end is always told."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import orjson
import pytest

from router.config.models import DestinationConfig
from router.console.audit import Deed
from router.console.filtered import FilteringRules, filtered
from router.console.in_force import mapping_text, rules_in_force
from router.console.jobs import Job, Jobs
from router.console.redriving import MOST_CHOSEN, WantedLetters, chosen_places
from router.errors import RouterError, UsageError
from router.kafka.admin import Watermarks
from tests.console.pages import shop

SECONDS = 60


def deed(target: str) -> Deed:
    return Deed("otto", "operator", "::1", "redrive", target, "mended")


def finished(job: Job) -> Job:
    assert job.thread is not None
    job.thread.join(SECONDS)
    assert not job.open
    return job


def test_a_job_is_stopped_and_only_one_of_a_target_runs() -> None:
    ended: list[Job] = []
    jobs, begun = Jobs(ended.append), Event()

    def work(job: Job) -> str:
        job.advance(3)
        begun.set()
        assert job.asked_to_stop.wait(SECONDS)
        return "3 sent"

    job = jobs.start("redrive", "crm", deed("crm"), work, 12)
    assert begun.wait(SECONDS)
    assert (job.open, job.share) == (True, 0.25)
    with pytest.raises(UsageError, match="a redrive of crm is under way"):
        jobs.start("redrive", "crm", deed("crm"), work)
    other = jobs.start("redrive", "ads", deed("ads"), work)
    jobs.stop("redrive", "crm")
    assert (finished(job).state, job.says) == ("stopped", "3 sent")
    with pytest.raises(UsageError, match="no redrive of crm is under way"):
        jobs.stop("redrive", "crm")
    jobs.close()
    assert finished(other).state == "stopped"
    assert [one.target for one in ended] == ["crm", "ads"]
    assert [one.target for one in jobs.of("redrive")] == ["ads", "crm"]
    assert [one.target for one in jobs.of("redrive", "crm")] == ["crm"]
    assert jobs.of("replay", "crm") == []
    assert jobs.latest("redrive", "crm") is job
    assert jobs.latest("replay", "crm") is None


def test_what_a_page_says_of_a_job_is_what_it_was_before_the_page_read_the_rest() -> None:
    jobs, ending = Jobs(lambda job: None), Event()

    def work(job: Job) -> str:
        assert ending.wait(SECONDS)
        return "all sent"

    job = jobs.start("redrive", "crm", deed("crm"), work)
    (before,) = jobs.of("redrive")
    ending.set()
    finished(job)

    assert (before.state, before.says) == ("running", "")
    assert [(one.state, one.says) for one in jobs.of("redrive")] == [("done", "all sent")]


def test_a_job_that_ends_while_it_is_asked_to_stop_has_ended() -> None:
    jobs = Jobs(lambda job: None)
    job = finished(jobs.start("redrive", "crm", deed("crm"), lambda job: "all sent"))

    job.asked_to_stop.set()  # as by `stop`, which saw it run

    assert (job.state, job.open) == ("done", False)
    assert finished(jobs.start("redrive", "crm", deed("crm"), lambda job: "none left")).state == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_fails_says_why_and_what_is_remembered_is_bounded() -> None:
    ended: list[Job] = []
    jobs = Jobs(ended.append)

    def refused(_: Job) -> str:
        raise RouterError("another redrive has begun")

    def broken(_: Job) -> str:
        raise ZeroDivisionError

    assert finished(jobs.start("redrive", "crm", deed("crm"), refused)).says == "another redrive has begun"
    assert "a fault of the console" in finished(jobs.start("redrive", "crm", deed("crm"), broken)).says
    for _ in range(40):
        finished(jobs.start("redrive", "crm", deed("crm"), lambda _: "done"))
    assert [job.state for job in ended[:3]] == ["failed", "failed", "done"]
    assert len(jobs.of("redrive")) == 20


def test_each_filter_is_counted_by_the_newest_events_asked_again(tmp_path: Path) -> None:
    filters = [
        {"if": "event = 'Heartbeat'", "then": "drop"}, {"if": "properties.total < 1", "then": "drop"},
        {"then": {"sample": 0.0001}},
    ]  # fmt: skip
    crm = {"type": "webhook", "settings": {"url": "https://crm.example/e"}, "types": ["track"], "filters": filters}
    rules = FilteringRules(shop(tmp_path, destinations={"crm": crm | {"sources": ["web"]}}), "crm")

    def event(number: int, name: str = "Order", kind: str = "track", total: Any = 5) -> bytes:
        body = {"type": kind, "event": name, "messageId": f"m{number}", "userId": "u", "properties": {"total": total}}
        return orjson.dumps(body)

    beats = [(event(number, "Heartbeat"), "web") for number in range(4)]
    others = [(event(4, total=0), "web"), (event(5, total="much"), "web"), (event(6, kind="page"), "web")]
    found = filtered([*beats, *others, (event(7), "web"), (event(8), "app"), (b"{", "web")], rules)

    counted = {place.removeprefix("destinations.crm."): kept.count for place, kept in found.rules.items()}
    assert counted == {
        "filters[0]": 4, "filters[1]": 2, "filters[2]": 1, "filters": 7, "types": 1, "sources": 1, "unreadable": 1,
    }  # fmt: skip
    assert (found.looked, found.passed) == (10, 0)
    assert found.rules["destinations.crm.filters[0]"].samples == [(f"m{n}", "Heartbeat") for n in (3, 2, 1)]


def test_chosen_letters_are_read_where_they_lie_and_nowhere_else() -> None:
    wanted = WantedLetters(places=chosen_places(["0:7", "0:9", "2:1", "3:50"]))
    bounds = {0: Watermarks(0, 100), 1: Watermarks(0, 5), 2: Watermarks(0, 2), 3: Watermarks(60, 80)}

    assert wanted.within(bounds) == {0: Watermarks(7, 10), 2: Watermarks(1, 2)}
    assert (wanted.words, WantedLetters().words) == (" of 4 chosen", "")
    assert WantedLetters().within(bounds) is bounds
    assert chosen_places("0:7") == {(0, 7)}
    assert chosen_places(None) == chosen_places("") == frozenset()


@pytest.mark.parametrize(
    "given", ["7", "0:-1", "0:1 0:2", ["0:1", 2], {"0": 1}, 7, ["0:1"] * (MOST_CHOSEN + 1), "0:" + "9" * 30]
)
def test_what_is_no_place_of_a_letter_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="place: expected"):
        chosen_places(given)


def test_the_rules_of_a_destination_stand_in_their_order_with_what_they_kept_back() -> None:
    data = {
        "type": "webhook", "types": ["track"], "except": ["Signed Up"], "consent": ["ads"],
        "filters": [{"if": "properties.total < 1", "then": "drop"}, {"then": {"sample": 0.1, "by": "userId"}}],
        "map": {"track": False},
    }  # fmt: skip
    config = DestinationConfig.model_validate(data)
    rows = rules_in_force("crm", config, {"type": 7, "filter": 2, "sample": 3, "cap": 4})

    assert [(row.place.removeprefix("destinations.crm."), row.says, row.held) for row in rows] == [
        ("sources", "events of *", None), ("types", "track", 7), ("events", "not Signed Up", 0),
        ("integrations", "what the event's own integrations object switches off", 0), ("consent", "needs ads", 0),
        ("filters[0]", "if properties.total < 1: drop", None), ("filters[1]", "always: take 10 % by userId", None),
        ("filters", "all filters together", 5), ("cap", "", 4),
    ]  # fmt: skip
    assert mapping_text(config) == "track: false\n"
    assert mapping_text(DestinationConfig(type="webhook")) == ""
