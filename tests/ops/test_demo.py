"""`./ops/demo` as a newcomer runs it, and the sums that decide its exit status."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from ops.kafka.kraft import KraftBroker
from ops.running import ROOT, plain_environment
from ops.shop.demo import SILENCE_SECONDS, Demo
from ops.shop.figures import Figures, Row, Sent, checks, figures
from ops.shop.traffic import Shop
from router.errors import Unavailable
from router.process.snapshot import DestinationRow, Snapshot

DEADLINE_SECONDS = 240
SENT = Sent(sdk=60, kafka=40, invalid=3, blocked=2, duplicates=5)
CRM = Row("crm", routed=30, delivered=29, dead=1, held=0, waiting=0, p95_seconds=0.1)
SEEN = Figures(100, invalid=3, blocked=2, duplicates=5, resolved=90, merged=4, waiting=0, rows=(CRM,))
EVIDENCE = {"crm": [f"m{number}" for number in range(29)]}


class Late:
    """A stage whose metrics page is late at every second look."""

    def __init__(self) -> None:
        self.looks = 0

    def insist(self) -> None:
        """It runs."""

    def seen(self) -> Snapshot:
        self.looks += 1
        if self.looks % 2 == 0:
            raise Unavailable("no answer (timed out)")
        return Snapshot(0, {"invalid": 0, "blocked": 0, "duplicate": 0, "resolved": 0}, 0, 0, 0, 0, (), ())


def test_a_page_that_is_late_does_not_end_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, now = Late(), 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    one = Demo(cast("Any", stage), cast("Any", None), cast("Any", None), lambda *_: None)
    monkeypatch.setattr(Demo, "sent", SENT)
    one.look()
    now += 1
    one.look()
    assert stage.looks == 3
    now += SILENCE_SECONDS + 1
    with pytest.raises(Unavailable):
        one.look()


def wrong(sent: Sent, seen: Figures, evidence: dict[str, list[str]] = EVIDENCE) -> list[str]:
    return [check.text for check in checks(sent, seen, evidence) if not check.holds]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "ops" / "demo"), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env=plain_environment(), timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip


def left_behind(folder: Path) -> list[str]:
    """Processes that have the folder on their command line."""
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line and "pytest" not in line]


def test_a_sample_ends_with_sums_that_hold(tmp_path: Path) -> None:
    ran = demo("--once", "--events", "600", "--rate", "300", "--folder", str(tmp_path))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "✘" not in ran.stdout
    assert re.search(r"^✔ received \d+ = sent \d+$", ran.stdout, re.MULTILINE)
    for name in ("crm", "ads", "lake", "warehouse"):
        assert re.search(rf"^✔ {name}: delivered [1-9]\d* = in the partner's own log", ran.stdout, re.MULTILINE)
    for kind in ("malformed", "against the plan", "repeated"):
        assert re.search(rf"[1-9]\d* = {kind} on purpose", ran.stdout), f"the sample has nothing {kind}"
    for columns in (r"customer +orders +revenue", r"visitors +chose +signed_up", r"category +viewed +added"):
        assert re.search(rf"{columns} *\n +\S+ +[\d,.]+ +[\d,.]+ *\n", ran.stdout), ran.stdout
    assert left_behind(tmp_path) == []
    ask = re.search(
        r"^```bash\n(.venv/bin/python -c .*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert ask
    block = ask[1].replace(".run/demo", str(tmp_path))
    asked = subprocess.run(["bash", "-c", block], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert re.search(r"Hats .* \d+\.\d+ ", asked.stdout), asked.stderr


def test_a_sample_on_a_real_kafka_ends_with_sums_that_hold_run_after_run(kraft: KraftBroker, tmp_path: Path) -> None:
    """Totals go on from run to run there: the second run counts its own events only. A Kafka of its own, since the
    shop's topics are named as in its file."""
    for _ in range(2):
        ran = demo("--once", "--events", "300", "--rate", "300", "--kafka", kraft.bootstrap, "--folder", str(tmp_path))

        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_without_once_it_goes_on_until_ctrl_c_and_shows_a_live_table(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        arguments = ["demo", "--console", "--folder", str(tmp_path)]
        os.execve(ROOT / "ops" / "demo", arguments, plain_environment(COLUMNS="120"))
    shown = read_until(terminal, b"resolved", b"P95", b"Ctrl-C ends it")
    address = re.search(rb"In a browser.*\s+(http://\S+)", shown)
    assert address, shown.decode(errors="replace")
    with urllib.request.urlopen(address[1].decode(), timeout=300) as page:
        assert "Overview" in page.read().decode()
    os.kill(child, signal.SIGINT)
    shown += read_until(terminal, b"Every sum holds", b"README.md")
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0, shown.decode(errors="replace")[-3000:]
    assert left_behind(tmp_path) == []


def read_until(terminal: int, *texts: bytes) -> bytes:
    """What the terminal shows until it has shown all of the texts."""
    until, shown = time.monotonic() + DEADLINE_SECONDS, b""
    while any(text not in shown for text in texts):
        assert time.monotonic() < until, shown.decode(errors="replace")[-3000:]
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                assert all(text in shown for text in texts), shown.decode(errors="replace")[-3000:]
    return shown


def test_kill_9_leaves_no_process_behind(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [str(ROOT / "ops" / "demo"), "--folder", str(tmp_path)], env=plain_environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = tmp_path / "router.log"
    eventually(lambda: log.exists() and "all processes are ready" in log.read_text())

    child.kill()
    child.wait()

    eventually(lambda: left_behind(tmp_path) == [])


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.1)


def test_it_says_so_when_there_is_no_such_kafka(tmp_path: Path) -> None:
    ran = demo("--once", "--kafka", "127.0.0.1:9", "--folder", str(tmp_path))

    assert ran.returncode == 3
    assert "127.0.0.1:9" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("arguments", [["--events", "0"], ["--rate", "-1"], ["--nonsense"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert demo(*arguments).returncode == 2


def test_sums_that_hold_are_all_marked_so() -> None:
    assert wrong(SENT, SEEN) == []


@pytest.mark.parametrize(
    ("sent", "seen", "evidence", "expected"),
    [
        (SENT, replace(SEEN, received=99, resolved=89), EVIDENCE, ["received 99 = sent 100"]),
        (replace(SENT, refused=1), SEEN, EVIDENCE, ["refused 1 = expected 0"]),
        (SENT, replace(SEEN, rows=(replace(CRM, delivered=28),)), EVIDENCE, ["crm: routed", "crm: delivered 28"]),
        (SENT, replace(SEEN, rows=(replace(CRM, held=1),)), EVIDENCE, ["crm: routed"]),
        (SENT, SEEN, {"crm": ["m1"] * 29}, ["crm: delivered 29 = in the partner's own log 1"]),
        (SENT, replace(SEEN, resolved=89), EVIDENCE, ["received 100 = invalid 3"]),
        (replace(SENT, blocked=1), SEEN, EVIDENCE, ["blocked 2 = against the plan on purpose 1"]),
        (replace(SENT, invalid=4), SEEN, EVIDENCE, ["invalid 3 = malformed on purpose 4"]),
        (replace(SENT, duplicates=6), SEEN, EVIDENCE, ["duplicates 5 = repeated on purpose 6"]),
    ],
)
def test_each_sum_that_does_not_hold_is_named(
    sent: Sent, seen: Figures, evidence: dict[str, list[str]], expected: list[str]
) -> None:
    found = wrong(sent, seen, evidence)

    assert len(found) == len(expected)
    assert all(text.startswith(beginning) for text, beginning in zip(found, expected, strict=True))


def test_what_an_earlier_run_counted_is_taken_off() -> None:
    row = DestinationRow("crm", routed=40, delivered=38, dead=2)
    before = Snapshot(50, {"invalid": 1, "blocked": 1, "duplicate": 1, "resolved": 47}, 2, 0, 0, 0, (row,), ())
    more = replace(row, routed=70, delivered=67, dead=3, p95_seconds=0.1)
    now = Snapshot(150, {"invalid": 4, "blocked": 3, "duplicate": 6, "resolved": 137}, 6, 0, 0, 0, (more,), ())

    assert figures(before, now) == SEEN


def test_the_shops_traffic_follows_from_its_seed_and_has_all_that_life_has() -> None:
    first, second = Shop("p", seed=3).parcels(), Shop("p", seed=3).parcels()
    parcels = [next(first) for _ in range(3000)]

    def shape(parcel: object) -> str:
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "", repr(parcel))  # the time of day is not the seed's

    assert list(map(shape, parcels)) == [shape(next(second)) for _ in parcels]
    assert {parcel.channel for parcel in parcels} == {"web", "app", "orders"}
    assert sum(parcel.invalid for parcel in parcels) > 20
    assert sum(parcel.blocked for parcel in parcels) > 20
    assert sum(parcel.duplicates for parcel in parcels) > 20
    assert any(parcel.key is None for parcel in parcels if parcel.channel == "app")
    assert any(b'"batch"' in parcel.value for parcel in parcels)
    assert any(b"\n" in parcel.value for parcel in parcels)
    assert sum(b'"poison":true' in parcel.value for parcel in parcels) >= 1
