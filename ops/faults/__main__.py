"""./ops/chaos: a router under load, killed again and again; then every event is accounted for."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ops.faults import disk
from ops.faults.faults import FAULTS
from ops.faults.schedule import KILLS, Step, drawn
from ops.faults.storm import Felt, Outcome, Setup, storm
from ops.kafka import kraft
from ops.kafka.kraft import KraftBroker
from router.errors import RouterError

NONE = "–"


def main() -> int:
    """0: nothing lost, nothing repeated, the metrics agree. 1: something was found. 3: no Kafka can be started."""
    parser = argparse.ArgumentParser(prog="./ops/chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="SIGKILLs; one other fault comes for about three of them")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20), help="repeats load and schedule")
    parser.add_argument("--rate", type=float, default=400, help="events a second, straight to Kafka")
    parser.add_argument("--posted", type=float, default=40, help="events a second through the gateway")
    parser.add_argument("--only", help=f"faults, with commas: {', '.join(FAULTS)}")
    parser.add_argument("--apart", type=float, default=8, help="seconds between two faults of --only")
    parser.add_argument("--failing", type=float, default=0.0, help="the share of requests that the partner fails")
    parser.add_argument("--folder", type=Path, help="keeps logs and state; default: a temporary folder")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.only.split(",") if name not in FAULTS] if chosen.only else []:
        parser.error(f"--only: expected some of {', '.join(FAULTS)}; got {', '.join(map(repr, unknown))}")
    if reason := kraft.missing():
        print(reason, file=sys.stderr)
        return 3
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=folder / "chaos.log", format="%(asctime)s %(name)s %(message)s")
    steps = schedule(chosen.kills, chosen.seed, chosen.only, chosen.apart)
    print(f"{len(steps)} faults in {steps[-1].at:.0f} s and more; seed {chosen.seed}; logs in {folder}", flush=True)
    setup = Setup(chosen.seed, workers=3, partitions=12, rate=chosen.rate, posted=chosen.posted, failing=chosen.failing)
    outcome = run(folder, steps, setup)
    print("\n".join(report(outcome, chosen.kills)))
    print(f"\nrepeat: ./ops/chaos --kills {chosen.kills} --seed {chosen.seed}" + repeated(chosen))
    if not outcome.problems and chosen.folder is None:
        shutil.rmtree(folder)
    return 1 if outcome.problems else 0


def repeated(chosen: argparse.Namespace) -> str:
    """The options that were not left as they are."""
    extra = f" --only {chosen.only} --apart {chosen.apart:g}" if chosen.only else ""
    return f"{extra} --rate {chosen.rate:g} --posted {chosen.posted:g} --failing {chosen.failing:g}"


def schedule(kills: int, seed: int, only: str | None, apart: float) -> list[Step]:
    """Of the faults named, in turn, or a mixture of all that this machine allows."""
    if only:
        names = only.split(",")
        return [Step(apart * (number + 1), names[number % len(names)]) for number in range(kills)]
    without = disk.missing()
    if without:
        print(f"no full disk: {without}")
    return drawn(kills, seed, leave_out=["fill-disk"] if without else [])


def run(folder: Path, steps: Sequence[Step], setup: Setup) -> Outcome:
    """On a broker of its own. What goes wrong on the way is a problem too."""
    with KraftBroker() as broker, storm(folder, f"chaos{setup.seed}", broker, setup) as running:
        try:
            running.run(steps, told)
            running.calm()
            return running.account()
        except RouterError as error:
            running.outcome.problems += [str(error), *running.scene.fleet.findings]
            return running.outcome


def told(felt: Felt) -> None:
    """A line for each fault, as it is made."""
    print(f"{felt.at:6.0f} s  {felt.fault}", flush=True)


def report(outcome: Outcome, kills: int) -> list[str]:
    """The table, and what was found."""
    account = outcome.account
    by_fault: dict[str, list[Felt]] = defaultdict(list)
    for felt in outcome.felt:
        by_fault[felt.fault].append(felt)
    lines = ["", "| fault | times | felt for (s): median | longest |", "| --- | --- | --- | --- |"]
    for fault in sorted(by_fault, key=lambda name: (name not in KILLS, name)):
        seconds = [felt.seconds for felt in by_fault[fault] if felt.seconds is not None]
        lines.append(f"| {fault} | {len(by_fault[fault])} | {_median(seconds)} | {_longest(seconds)} |")
    copies = sum(account.redelivered.values())
    receipts = sum(count for place, count in account.counts.items() if place.endswith(" receipts"))
    lines += [
        "",
        "| kills | events sent | answered ok, refused, unknown | lost | repeated in topics | out of order "
        "| sent again to partners | restore (s): median, longest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        f"| {kills} | {account.counts['events.raw']} | {outcome.acknowledged}, {outcome.refused}, {outcome.unknown} "
        f"| {len(account.lost)} | {len(account.repeated)} | {len(account.disordered)} "
        f"| {copies} of {receipts} | {_median(outcome.restores)}, {_longest(outcome.restores)} |",
        "",
        "the metrics agree with the topics, and every page balanced at every moment"
        if not outcome.problems
        else "FOUND: " + "\n       ".join(outcome.problems),
    ]
    return lines


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.1f}" if seconds else NONE


def _longest(seconds: Sequence[float]) -> str:
    return f"{max(seconds):.1f}" if seconds else NONE


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(status)
