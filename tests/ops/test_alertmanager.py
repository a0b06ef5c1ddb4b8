"""ops/alertmanager for real: an alert reaches mail, Slack and PagerDuty, whoever is set, and so does its end."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops.kafka.kraft import free_port
from ops.running import ROOT
from tests.serving import serving

START = ROOT / "ops/alertmanager/start"
DEADLINE_SECONDS = 240.0
NAMES = ("MAIL_TO", "SMTP_HOST", "SLACK_URL", "PAGERDUTY_KEY")
REFUSED = {"alertname": "RouterCredentialsRefused", "severity": "critical", "job": "router", "destination": "crm"}
LOW = REFUSED | {"alertname": "RouterDeliverySuccessLow"}
RISE = {"alertname": "RouterViolationsRise", "severity": "warning", "job": "router", "source": "web"}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if shutil.which("prometheus-alertmanager") and shutil.which("amtool"):
        return
    reason = "prometheus-alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Mails(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is given, as text."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[str] = []
        super().__init__(("127.0.0.1", 0), _Mail)


class _Mail(socketserver.StreamRequestHandler):
    server: Mails

    def handle(self) -> None:
        self._say("220 mail")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self._say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.received.append(b"".join(lines).decode())
            self._say("221 bye" if word == b"QUIT" else "250 ok")
            if word == b"QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class Chats(ThreadingHTTPServer):
    """Slack and PagerDuty: what each path was sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        super().__init__(("127.0.0.1", 0), _Chat)

    def of(self, path: str) -> list[dict[str, Any]]:
        return [body for found, body in list(self.received) if found == path]


class _Chat(BaseHTTPRequestHandler):
    server: Chats

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, body))
        self.send_response(202 if self.path == "/pagerduty" else 200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Nothing to the test's output."""


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"]} | more


class Alerts:
    """Alertmanager's API, as Prometheus uses it."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/api/v2/alerts"

    def post(self, *labels: dict[str, str], over: bool = False) -> bool:
        """False while it does not answer."""
        now = datetime.now(UTC)
        until = now if over else now + timedelta(hours=1)
        alerts = [
            {
                "labels": one, "annotations": {"summary": f"{one['alertname']} was raised"},
                "startsAt": (now - timedelta(minutes=5) if over else now).isoformat(), "endsAt": until.isoformat(),
            }
            for one in labels
        ]  # fmt: skip
        request = urllib.request.Request(self._url, json.dumps(alerts).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=15):
                return True
        except OSError:
            return False

    def states(self) -> dict[str, str]:
        """State by alert name: unprocessed, active, suppressed."""
        with urllib.request.urlopen(self._url, timeout=15) as answer:
            return {one["labels"]["alertname"]: one["status"]["state"] for one in json.load(answer)}


def eventually(holds: Callable[[], object], what: str) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.1)


def test_alerts_reach_mail_slack_and_pagerduty_and_so_does_their_end(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("pagerduty-key")
    address = f"127.0.0.1:{free_port()}"
    mails, chats = Mails(), Chats()
    with ExitStack() as stack, (tmp_path / "log").open("w") as log:
        smtp, http = stack.enter_context(serving(mails)), stack.enter_context(serving(chats))
        settings = environment(
            TMPDIR=str(tmp_path), GROUP_WAIT="200ms", GROUP_INTERVAL="500ms", RUNBOOK_URL="https://docs.example.com/runbook",
            MAIL_TO="team@example.com", SMTP_HOST=smtp, SMTP_TLS="false", SLACK_URL=f"http://{http}/slack",
            PAGERDUTY_KEY_FILE=str(key), PAGERDUTY_URL=f"http://{http}/pagerduty",
        )  # fmt: skip
        options = [f"--web.listen-address={address}", "--cluster.listen-address=", f"--storage.path={tmp_path}/data"]
        child = subprocess.Popen([START, *options], env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            alerts = Alerts(address)
            eventually(lambda: alerts.post(REFUSED, RISE), "Alertmanager answers")
            eventually(lambda: len(mails.received) >= 2, "mails")
            eventually(lambda: len(chats.of("/slack")) >= 2, "messages in Slack")
            eventually(lambda: chats.of("/pagerduty"), "an incident of PagerDuty")
            eventually(lambda: alerts.post(LOW), "what follows from the first is taken")
            eventually(lambda: alerts.states().get("RouterDeliverySuccessLow") == "suppressed", "and not sent")
            eventually(lambda: alerts.post(LOW, over=True), "its end is told")
            eventually(lambda: "RouterDeliverySuccessLow" not in alerts.states(), "it is over")
            eventually(lambda: alerts.post(REFUSED, RISE, over=True), "the end of the others is told")
            eventually(lambda: len(mails.received) >= 4, "mails of the end")
            eventually(lambda: len(chats.of("/slack")) >= 4, "messages of the end in Slack")
            eventually(lambda: len(chats.of("/pagerduty")) >= 2, "the end of the incident")
        finally:
            child.terminate()
            child.wait(DEADLINE_SECONDS)

    mail = next(one for one in mails.received if "Subject: CRITICAL RouterCredentialsRefused: crm" in one)
    assert "To: team@example.com" in mail
    assert "https://docs.example.com/runbook#routercredentialsrefused" in mail
    assert any("Subject: RESOLVED RouterViolationsRise: web" in one for one in mails.received)
    titles = {body["attachments"][0]["title"] for body in chats.of("/slack")}
    assert titles == {
        f"{state} {name}"
        for name, first in (("RouterCredentialsRefused: crm", "CRITICAL"), ("RouterViolationsRise: web", "WARNING"))
        for state in (first, "RESOLVED")
    }
    first, last = chats.of("/pagerduty")
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == last["dedup_key"]
    assert first["routing_key"] == "pagerduty-key"
    assert "RouterCredentialsRefused was raised" in first["payload"]["custom_details"]["what"]


@pytest.mark.parametrize(
    ("settings", "receivers"),
    [
        ({}, []),
        ({"MAIL_TO": "a@example.com", "SMTP_HOST": "mail:587", "SMTP_USER": "u", "SMTP_PASSWORD": "p"}, ["mail"]),
        ({"SLACK_URL": "https://hooks.example.com/a&b"}, ["slack"]),
        ({"PAGERDUTY_KEY": "k", "MAIL_TO": "a@example.com", "SMTP_HOST": "mail:25"}, ["mail", "pagerduty"]),
    ],
)
def test_only_what_is_set_is_in_the_configuration(
    settings: dict[str, str], receivers: list[str], tmp_path: Path
) -> None:
    ran = subprocess.run(
        [START, "--check"],
        env=environment(TMPDIR=str(tmp_path), **settings),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    (made,) = tmp_path.glob("*/alertmanager.yml")
    text = made.read_text("utf-8")
    assert "${" not in text.replace("${…}", "")  # which the comment has
    assert [name for name in ("mail", "slack", "pagerduty") if f"# <{name}>" in text] == receivers
    assert not any(secret in text for secret in ("SMTP_PASSWORD=", "hooks.example.com"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MAIL_TO": "a@example.com"}, "MAIL_TO is set: expected SMTP_HOST as host:port, got none"),
        ({"SMTP_USER": "u"}, "SMTP_USER is set: expected SMTP_PASSWORD, got none"),
        ({"SLACK_URL_FILE": "/nowhere"}, "SLACK_URL_FILE: expected a file that can be read, got /nowhere"),
        ({"SMTP_TLS": "yes"}, "SMTP_TLS: expected true or false, got yes"),
        ({"MAIL_TO": 'a"b', "SMTP_HOST": "mail:25"}, "MAIL_TO: expected no quotation mark, bar or backslash, got one"),
    ],
)
def test_settings_that_are_wrong_are_said(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [START, "--check"],
        env=environment(TMPDIR=str(tmp_path), **settings),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (2, f"ops/alertmanager/start: {said}\n")
