"""Every fault of `./ops/chaos`, once, in groups, each on a router of its own under load; then every event is accounted
for: in events.resolved, in each topic of a destination, at the partners, in order for each profile, and in the metrics.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ops.faults import disk
from ops.faults.faults import FAULTS
from ops.faults.schedule import Step
from ops.faults.storm import Outcome, Setup, storm
from ops.kafka.kraft import KraftBroker

pytestmark = pytest.mark.chaos

APART_SECONDS = 5.0
CALM_SECONDS = 120.0
SIGHT_SECONDS = 45.0  # with transactions that time out in 10 s; a minute and more with the settings of clients
GROUPS = [
    ["kill-for-good", "add-route", "kill-route", "remove-route", "freeze-route"],
    ["kill-gateway", "kill-deliver", "kill-two", "wipe-state"],
    ["refuse-transactions", "kill-broker", "pause-broker"],
    ["fill-disk"],
]
ELSEWHERE = {"kill-replay"}  # tests/replay; here it would take minutes


def test_no_fault_is_left_out() -> None:
    assert sorted(fault for group in GROUPS for fault in group) == sorted(FAULTS.keys() - ELSEWHERE)


def run(broker: KraftBroker, folder: Path, name: str, faults: list[str], seed: int) -> Outcome:
    """The faults in turn, the next one while the one before may still be felt."""
    steps = [Step(APART_SECONDS * number, fault) for number, fault in enumerate(faults, start=1)]
    with storm(folder, name, broker, Setup(seed, rate=300, posted=30)) as running:
        running.run(steps)
        running.calm(CALM_SECONDS)
        return running.account()


@pytest.mark.parametrize("faults", GROUPS, ids="+".join)
def test_nothing_is_lost_and_nothing_is_repeated(
    kraft: KraftBroker, unique: str, tmp_path: Path, faults: list[str]
) -> None:
    if "fill-disk" in faults and (reason := disk.missing()):
        pytest.skip(reason)
    seed = random.randrange(1 << 20)
    said = f"seed {seed}, faults {', '.join(faults)}"

    outcome = run(kraft, tmp_path, unique, faults, seed)

    account = outcome.account
    assert outcome.problems == [], said
    assert account.lost == account.repeated == account.disordered == [], said
    assert account.counts["events.raw"] >= outcome.acknowledged > 0, said
    assert [felt.fault for felt in outcome.felt] == faults
    for felt in outcome.felt:
        assert felt.seconds is not None, f"{felt.fault} is still felt; {said}"
        assert felt.fault != "kill-for-good" or felt.seconds < SIGHT_SECONDS, said
