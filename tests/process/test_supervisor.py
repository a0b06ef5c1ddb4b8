"""Supervision of real processes: crash and restart, clean stop, forced stop, and no orphan after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router import metrics
from router.errors import RouterError, Unavailable
from router.process.child import ChildSpec, RestartDelay, describe
from router.process.supervisor import INTERRUPTED, Supervisor
from tests.process.processes import (
    DEADLINE_SECONDS,
    IGNORES_SIGTERM,
    SLEEPS,
    STOPS_CLEANLY,
    eventually,
    runs,
    script,
    started,
)

QUICK = RestartDelay(first=0.01, longest=0.05)


class Run:
    """A supervisor in a thread of this test; `status` is there after `join`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.stop = threading.Event()
        self.status: int | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.status = self.supervisor.run(self.stop)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> int | None:
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()
        return self.status


@contextmanager
def running(supervisor: Supervisor) -> Iterator[Run]:
    run = Run(supervisor)
    run.start()
    try:
        yield run
    finally:
        run.stop.set()
        run.supervisor.force()
        run.join()


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    return tmp_path / "starts"


def spec(body: str, starts: Path, name: str = "child") -> ChildSpec:
    return ChildSpec(name, script(body, starts))


def restarts(name: str) -> float:
    return metrics.REGISTRY.get_sample_value("router_process_restarts_total", {"process": name}) or 0.0


def test_a_crashed_child_is_started_again_and_counted(starts: Path) -> None:
    with running(Supervisor([spec(SLEEPS, starts, "crashing")], backoff=QUICK)) as run:
        before = restarts("crashing")
        eventually(lambda: len(started(starts)) == 1)
        os.kill(started(starts)[0], signal.SIGKILL)
        eventually(lambda: len(started(starts)) == 2)
        assert restarts("crashing") == before + 1
        assert run.supervisor.pid("crashing") == started(starts)[1]


def test_after_two_crashes_in_native_code_a_child_is_started_without_it(
    starts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crash = f"os.kill(os.getpid(), {signal.SIGSEGV:d})"
    body = f"import os\nif os.environ.get('ROUTER_NATIVE') != '0':\n    {crash}\n{SLEEPS}"
    with running(Supervisor([spec(body, starts)], backoff=QUICK)) as run:
        eventually(lambda: len(started(starts)) == 3 and run.supervisor.pid("child") == started(starts)[2])
    told = [line for line in caplog.messages if "SIGSEGV" in line]
    assert ["without the native library" in line for line in told] == [False, True]


def test_one_child_s_crash_leaves_its_siblings_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    children = [spec("sys.exit(3)\n", first, "a"), spec(SLEEPS, second, "b")]
    with running(Supervisor(children, backoff=QUICK)):
        eventually(lambda: len(started(first)) >= 4 and started(second))
        assert len(started(second)) == 1


@pytest.mark.parametrize("status", [1, 2])
def test_wrong_configuration_stops_everything_with_its_status(tmp_path: Path, status: int) -> None:
    other = tmp_path / "other"
    children = [
        spec(STOPS_CLEANLY, other, "other"),
        spec(f"time.sleep(0.5)\nsys.exit({status})\n", tmp_path / "w", "wrong"),
    ]
    with running(Supervisor(children, backoff=QUICK)) as run:
        assert run.join() == status
        assert len(started(tmp_path / "w")) == 1
        assert not any(map(runs, started(other)))


@pytest.mark.parametrize("status", [1, 2])
def test_configuration_that_went_wrong_later_is_tried_again_until_it_is_mended(tmp_path: Path, status: int) -> None:
    """A child crashes while its files are being edited: nobody else is stopped, and it comes back by itself."""
    starts, other, broken = tmp_path / "starts", tmp_path / "other", tmp_path / "broken"
    body = f"if os.path.exists({str(broken)!r}): sys.exit({status})\n{STOPS_CLEANLY}"
    with running(Supervisor([spec(body, starts), spec(STOPS_CLEANLY, other, "other")], backoff=QUICK)) as run:
        eventually(lambda: len(started(starts)) == 1 and started(other))
        broken.touch()
        os.kill(started(starts)[0], signal.SIGKILL)
        eventually(lambda: len(started(starts)) >= 4)
        broken.unlink()
        eventually(lambda: (pid := run.supervisor.pid("child")) is not None and pid == started(starts)[-1])
        assert len(started(other)) == 1
        assert run.status is None


def test_a_hangup_reaches_every_child_and_ends_none(tmp_path: Path) -> None:
    """Not even one that does not listen to it yet."""
    heard, listening, deaf = tmp_path / "heard", tmp_path / "listening", tmp_path / "deaf"
    listens = f"signal.signal(signal.SIGHUP, lambda *_: open({str(heard)!r}, 'a').close())\n{SLEEPS}"
    listens = listens.replace("time.sleep(600)", f"open({str(listening)!r}, 'a').close()\nwhile True: time.sleep(0.1)")
    children = [spec(listens, tmp_path / "a", "a"), spec(SLEEPS, deaf, "b")]
    with running(Supervisor(children, backoff=QUICK)) as run:
        eventually(lambda: listening.exists() and started(deaf))
        run.supervisor.hangup()
        eventually(heard.exists)
        assert [len(started(tmp_path / "a")), len(started(deaf))] == [1, 1]
        assert runs(started(deaf)[0])


def test_a_child_that_is_added_is_started_and_its_faults_stop_nobody(tmp_path: Path) -> None:
    first, added = tmp_path / "first", tmp_path / "added"
    with running(Supervisor([spec(SLEEPS, first, "first")], backoff=QUICK)) as run:
        eventually(lambda: started(first))
        run.supervisor.add(spec("sys.exit(1)\n", added, "added"))
        eventually(lambda: len(started(added)) > 1)
        assert run.status is None
        assert len(started(first)) == 1
        assert restarts("added") >= 1
        run.stop.set()
        run.join()
    assert not any(map(runs, started(first)))


def test_a_command_that_does_not_exist_is_wrong_usage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running(Supervisor([ChildSpec("missing", ["/no/such/command"])], backoff=QUICK)) as run:
        assert run.join() == 2
    assert "/no/such/command" in capfd.readouterr().err


def test_a_clean_stop_ends_with_0_and_leaves_nobody(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    with running(Supervisor([spec(STOPS_CLEANLY, file, file.name) for file in files])) as run:
        eventually(lambda: all(started(file) for file in files))
        run.stop.set()
        assert run.join() == 0
    assert not any(runs(pid) for file in files for pid in started(file))


def test_a_child_killed_by_the_stop_signal_before_it_could_listen_is_a_clean_stop(starts: Path) -> None:
    with running(Supervisor([spec(SLEEPS, starts)])) as run:
        eventually(lambda: started(starts))
        run.stop.set()
        assert run.join() == 0


def test_a_child_that_does_not_stop_is_killed_after_the_deadline_and_that_is_not_clean(
    starts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with running(Supervisor([spec(IGNORES_SIGTERM, starts)], stop_seconds=0.2)) as run:
        eventually(lambda: "deaf" in capfd.readouterr().out)
        run.stop.set()
        assert run.join() == 70
    assert not any(map(runs, started(starts)))


def test_force_does_not_wait_for_the_deadline(starts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running(Supervisor([spec(IGNORES_SIGTERM, starts)], stop_seconds=3600)) as run:
        eventually(lambda: "deaf" in capfd.readouterr().out)
        run.stop.set()
        run.supervisor.force()
        assert run.join() == INTERRUPTED
    assert not any(map(runs, started(starts)))


def test_a_child_that_fails_while_stopping_is_not_hidden(starts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\nprint('up', flush=True)\ntime.sleep(600)\n"
    with running(Supervisor([spec(body, starts)])) as run:
        eventually(lambda: "up" in capfd.readouterr().out)
        run.stop.set()
        assert run.join() == 3


def test_an_outage_of_the_broker_stops_everything_with_status_3(starts: Path) -> None:
    gone: list[RouterError] = []
    supervisor = Supervisor([spec(STOPS_CLEANLY, starts)], outage=lambda: gone[0] if gone else None)
    with running(supervisor) as run:
        eventually(lambda: started(starts))
        gone.append(Unavailable("the embedded broker is gone"))
        assert run.join() == 3
    assert not any(map(runs, started(starts)))


def test_a_hanging_child_is_replaced_even_when_it_is_deaf(starts: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with running(Supervisor([spec(IGNORES_SIGTERM, starts)], backoff=QUICK, stop_seconds=0.2)) as run:
        eventually(lambda: "deaf" in capfd.readouterr().out)
        run.supervisor.replace("child", "no progress for 61 s")
        eventually(lambda: len(started(starts)) == 2)
        assert not runs(started(starts)[0])


def test_what_a_child_leaves_behind_in_its_group_goes_with_it(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    body = f"import subprocess\nsubprocess.Popen({script(SLEEPS, grandchild)!r})\nsys.exit(3)\n"
    with running(Supervisor([spec(body, tmp_path / "starts")], backoff=RestartDelay(first=600))):
        eventually(lambda: started(tmp_path / "starts"))
        eventually(lambda: not any(map(runs, started(grandchild))))


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor: the kernel kills the children, the deaf one too."""
    if sys.platform != "linux":
        pytest.skip("PR_SET_PDEATHSIG is Linux's")
    files = [tmp_path / "a", tmp_path / "b"]
    commands = [script(SLEEPS, files[0]), script(IGNORES_SIGTERM, files[1])]
    code = (
        "import threading; from router.process.supervisor import Supervisor; "
        "from router.process.child import ChildSpec; "
        f"Supervisor([ChildSpec(str(i), c) for i, c in enumerate({commands!r})]).run(threading.Event())"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: all(started(file) for file in files))
        pids = [pid for file in files for pid in started(file)]
        assert all(map(runs, pids))
        supervisor.kill()
        eventually(lambda: not any(map(runs, pids)), "children die with the supervisor")
    finally:
        supervisor.kill()
        supervisor.wait()


def test_waits_double_to_the_longest_and_begin_anew_after_a_healthy_minute() -> None:
    backoff = RestartDelay()
    waits = [0.0]
    for _ in range(7):
        waits.append(backoff.after(waits[-1], ran=59))
    assert waits[1:] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(30, ran=60) == 1


def test_ends_are_told_in_words() -> None:
    assert describe(3) == "ended with status 3"
    assert describe(-9) == "was killed by SIGKILL"
