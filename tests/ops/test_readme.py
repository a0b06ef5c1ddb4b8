"""The README's commands are run as they stand, its links lead somewhere, and the runbook knows every alert."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import yaml

from ops.kafka.kraft import free_port
from ops.running import ROOT, plain_environment

README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
BLOCKS = [text for language, text in FENCED if language == "bash"]
PLAIN = [text for language, text in FENCED if not language]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("ops/**/*.md"), *ROOT.glob("*/README.md")])
BROKER = "127.0.0.1:40247"  # what the README has for the address that `router up` announces
DEADLINE_SECONDS = 120.0
T = TypeVar("T")


def blocks(beginning: str) -> list[str]:
    return [block for block in BLOCKS if block.startswith(beginning)]


class Terminals:
    """A copy of the project's folder, as far as the tour needs it, on ports that are free here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ops", "topologies", "schemas", "README.md", "pyproject.toml", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        self.ports = {name: str(free_port()) for name in ("8080", "9464", "8099")}
        urls = {path.upper(): f"http://127.0.0.1:{self.ports['8099']}/{path}" for path in ("crm", "ads")}
        self.environment = plain_environment(
            ROUTER_GATEWAY=f"127.0.0.1:{self.ports['8080']}", ROUTER_METRICS=f"127.0.0.1:{self.ports['9464']}",
            ROUTER_CONSOLE="127.0.0.1:0", ROUTER_INSIGHTS="127.0.0.1:0", LAKE_PATH=str(folder / "lake"),
            **{f"{name}_URL": url for name, url in urls.items()},
        )  # fmt: skip
        self.log = folder / "terminal-1.log"
        self.first: subprocess.Popen[bytes] | None = None

    def text(self, block: str) -> str:
        for port, free in self.ports.items():
            block = re.sub(rf"\b{port}\b", free, block)
        return block.replace(BROKER, self.said("  broker").split()[0]) if BROKER in block else block

    def start(self, block: str) -> None:
        with self.log.open("wb") as log:
            self.first = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", self.text(block)], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def run(self, *several: str) -> str:
        """The blocks in one shell; fails the test when a command of them fails."""
        script = "\n".join(map(self.text, several))
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{script}\n{ran.stdout}{ran.stderr}\n{self.log.read_text()[-2000:]}"
        return ran.stdout

    def said(self, beginning: str) -> str:
        """The rest of a line of terminal 1."""
        return until(lambda: next((x.removeprefix(beginning) for x in self._lines() if x.startswith(beginning)), ""))

    def ready(self) -> None:
        address = f"http://127.0.0.1:{self.ports['9464']}/readyz"
        probe = f"import urllib.request as u; u.urlopen('{address}')"
        until(lambda: subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0)

    def _lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def close(self) -> int:
        """Ctrl-C in terminal 1: everything in it ends."""
        assert self.first is not None
        os.killpg(self.first.pid, signal.SIGINT)
        return self.first.wait(DEADLINE_SECONDS)


def until(found: Callable[[], T]) -> T:
    end = time.monotonic() + DEADLINE_SECONDS
    while not (value := found()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)
    return value


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    terminals = Terminals(tmp_path)
    yield terminals
    if terminals.first is not None and terminals.first.poll() is None:
        os.killpg(terminals.first.pid, signal.SIGKILL)
        terminals.first.wait()


def test_the_tour_does_what_it_says(terminals: Terminals) -> None:
    start, address = blocks("# terminal 1")[0], blocks("# terminal 2")[0]
    beginning = blocks(".venv/bin/router new")[0]
    curl, looking, changing = (
        blocks("curl")[0],
        blocks(".venv/bin/router status")[0],
        blocks(".venv/bin/router check")[0],
    )
    shaping = blocks("cat > .run/shape.yaml")[0]
    sdk, producer = blocks(".venv/bin/python - <<")

    terminals.start(start)
    terminals.ready()
    terminals.run(address, curl, sdk, producer)
    receipts = terminals.folder / ".run" / "receipts.ndjson"
    until(lambda: receipts.exists() and receipts.read_text().count("Order Completed") == 3)  # m1, m2 to crm; m1 to ads
    until(lambda: "Product Viewed" in receipts.read_text())
    shown = terminals.run(address, looking)
    checked = terminals.run(changing)
    begun = terminals.run(beginning)
    tried = terminals.run(shaping)
    with urllib.request.urlopen(terminals.said("  console"), timeout=DEADLINE_SECONDS) as page:
        overview = page.read().decode()

    assert all(name in overview for name in ("orders", "crm", "lake"))
    assert re.search(r"^events +6 +0 +1 +1 +4 +2\b", shown, re.MULTILINE), shown
    assert shown.count('"messageId":"m2"') == 2  # in the clean stream and at the partner
    blocked = next(json.loads(line) for line in shown.splitlines() if '"m3"' in line)
    assert blocked["topic"] == "events.blocked"
    assert "/properties/total" in blocked["headers"]["violations"]
    assert "0 failed" in checked or "passed" in checked
    assert begun.endswith("4 passed, 0 failed\n")
    assert "destinations.crm.filters[0] lets it pass" in tried
    assert '"revenue": 12' in tried
    assert "accepted: 200" in tried
    assert terminals.close() == 0


def test_the_demo_block_is_what_the_demos_own_test_runs() -> None:
    assert [block.split("#")[0].strip() for block in blocks("./ops/demo")] == ["./ops/demo --once"]


def test_every_block_is_covered() -> None:
    """A new block has to be run by a test of this file, or be one of the forms that other tests run."""
    run = [*blocks("# terminal"), *blocks("curl"), *blocks(".venv/bin/python - <<"), *blocks(".venv/bin/router")]
    run += blocks("cat > .run/shape.yaml")
    of_the_demo = [*blocks("./ops/demo"), *blocks(".venv/bin/python -c")]  # its own test runs both
    assert sorted(BLOCKS) == sorted([*run, *of_the_demo])
    assert [block.split()[0] for block in PLAIN] == [
        "SDKs",
        "router",
        "docker-compose",
        "./ops/test",
        ".venv/bin/python",
    ]


def test_commands_for_a_kafka_of_ones_own_run(kafka: str, unique: str, tmp_path: Path) -> None:
    block = next(block for block in PLAIN if block.startswith("router topics apply"))
    override = tmp_path / "own.yaml"
    override.write_text(f"name: {unique}\ntopics: {{prefix: {unique}.}}\n")
    first, second = (
        line.replace("kafka:9092", kafka).replace("shop.yaml", f"shop.yaml {override}") for line in block.splitlines()
    )
    bin_first = plain_environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    applied = subprocess.run(
        ["bash", "-c", first], cwd=ROOT, env=bin_first, capture_output=True, text=True, timeout=300
    )
    log = tmp_path / "up.log"
    options = f"--gateway 127.0.0.1:0 --metrics 127.0.0.1:0 --state {tmp_path / 'state'}"
    with log.open("wb") as stream:
        up = subprocess.Popen(
            ["bash", "-c", f"exec {second} {options}"], cwd=ROOT, env=bin_first, stdout=stream, stderr=stream
        )
    try:
        until(lambda: "all processes are ready" in log.read_text() or up.poll() is not None)
        up.terminate()
        assert up.wait(300) == 0, log.read_text()[-3000:]
    finally:
        up.kill()

    assert applied.returncode == 0, applied.stderr
    assert "topics are as the topology has them" in applied.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8"))

    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("place", re.findall(r"`((?:tests|ops|router|schemas|topologies)/[\w./-]+)`", README))
def test_files_that_the_readme_names_exist(place: str) -> None:
    assert (ROOT / place).exists()


def test_the_runbook_has_a_section_for_every_alert() -> None:
    rules = yaml.safe_load((ROOT / "ops/prometheus/rules.yml").read_text("utf-8"))
    alerts = dict.fromkeys(rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule)
    sections = re.findall(r"^## (\w+)$", (ROOT / "ops/runbook.md").read_text("utf-8"), re.MULTILINE)

    assert sections == list(alerts)
