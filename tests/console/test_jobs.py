"""Work that goes on after its request: one at a time of a target, stopped when asked, and its end is always told."""

from __future__ import annotations

from threading import Event

import pytest

from router.config.models import DestinationConfig
from router.console.audit import Deed
from router.console.in_force import mapping_text, rules_in_force
from router.console.jobs import Job, Jobs
from router.errors import RouterError, UsageError

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
    assert jobs.latest("redrive", "crm") is job
    assert jobs.latest("replay", "crm") is None


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
