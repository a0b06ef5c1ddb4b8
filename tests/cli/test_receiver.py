"""`router receiver` as a command: bad usage, and a process from its first line to Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from ops.running import plain_environment
from tests.cli.lines import Line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "8099"], "expected HOST:PORT"),
        (["--fail", "hangs"], "did you mean hang?"),
        (["--port", "1"], "No such option"),
    ],
)
def test_bad_usage_is_status_2(line: Line, arguments: list[str], said: str) -> None:
    ended = line("receiver", *arguments)

    assert ended.status == 2
    assert said in ended.err


def test_a_port_that_is_taken_is_status_3(line: Line) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = line("receiver", "--listen", address)

    assert ended.status == 3
    assert f"cannot receive on {address}" in ended.err


def test_it_prints_its_address_then_what_it_gets_until_ctrl_c(tmp_path: Path) -> None:
    command = ["-m", "router", "receiver", "--listen", "127.0.0.1:0", "--receipts", "a/receipts", "--fail", "/ads=500"]
    with subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, env=plain_environment(PYTHONPATH=os.getcwd()), text=True,
        stdout=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        event = b'{"type": "track", "event": "Signed Up", "userId": "u1", "messageId": "m1"}'
        with urllib.request.urlopen(f"{url}/crm", event, timeout=300) as answer:
            assert answer.status == 200
        shown = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0

    assert url.startswith("http://127.0.0.1:")
    assert shown.split()[1:] == ["/crm", "200", "track", "Signed", "Up", "u1", "m1"]
    assert '"messageId":"m1"' in (tmp_path / "a/receipts").read_text("utf-8")
