"""Typed clients compile in the strictest mode, send what the plan allows, and refuse to compile what it does not."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from segment.analytics.client import Client

from router.plan import Plan, compile_plan, load_plan
from router.plan.model import Rule
from router.plan_tools.clients import LANGUAGES, build
from router.plan_tools.clients.build import pascal, words
from tests.cli.lines import Line
from tests.plan_tools.strategies import plans

SHOP = Path(__file__).parents[2] / "schemas/shop"
TYPESCRIPT = "typescript@5.9.3"
CHECKS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


Checker = Callable[..., str]


@pytest.fixture(scope="session")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    """What mypy says of files in strict mode; empty where all is fine. What it learns of the library is kept."""
    folder = tmp_path_factory.mktemp("mypy")
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\npython_version = 3.11\n", "utf-8")
    options = ("--no-error-summary", "--cache-dir", str(folder / "cache"), "--config-file", str(config))

    def check(*files: Path) -> str:
        command = [sys.executable, "-m", "mypy", *options, *map(str, files)]
        where = files[0].parent
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=where)
        return done.stdout + done.stderr

    return check


@pytest.fixture(scope="session")
def tsc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The TypeScript compiler, installed once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are not installed")
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("tsc")
    command = (npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, TYPESCRIPT)
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder / "node_modules/.bin/tsc"


def compiled_ts(tsc: Path, *files: Path) -> str:
    options = (
        "--strict",
        "--skipLibCheck",
        "--noEmit",
        "--target",
        "es2022",
        "--module",
        "es2022",
        "--moduleResolution",
        "bundler",
    )
    done = subprocess.run([tsc, *options, *files], capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


def written(plan: Plan, folder: Path, language: str, name: str = "events") -> Path:
    file = folder / f"{name}.{'py' if language == 'python' else 'ts'}"
    file.write_text(LANGUAGES[language](build(plan)), "utf-8")
    return file


def loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recorder:
    """Segment's client, sending nothing, that keeps the messages it would have sent."""

    def __init__(self) -> None:
        self.client = Client("key", send=False)
        self.messages: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> None:
            _, message = getattr(self.client, name)(**given)
            self.messages.append(message)

        return call


def test_the_python_client_passes_mypy_in_strict_mode(mypy: Checker, tmp_path: Path) -> None:
    assert mypy(written(load_plan(SHOP), tmp_path, "python")) == ""


def test_the_python_client_sends_through_segments_library_what_the_plan_allows(tmp_path: Path) -> None:
    plan = load_plan(SHOP)
    recorder = Recorder()
    tracker = loaded(written(plan, tmp_path, "python")).Tracker(recorder)

    tracker.order_completed({"order_id": "1", "total": 9.5}, user_id="u")
    item = {"product_id": "p", "price": 1.5, "quantity": 1}
    second = {"order_id": "2", "revenue": 1, "currency": "EUR", "products": [item]}
    tracker.order_completed_v2(second, user_id="u", context={"locale": "en"})
    tracker.page_home({"path": "/"}, anonymous_id="a")
    tracker.page(name="Cart", anonymous_id="a")
    tracker.identify({"email": "ada@example.com"}, user_id="u")
    tracker.group("g", {"employees": 3}, user_id="u")

    compiled = compile_plan(plan)
    assert [message["type"] for message in recorder.messages] == ["track", "track", "page", "page", "identify", "group"]
    for message in recorder.messages:
        assert compiled.find(message).findings(message) == []
    assert recorder.messages[0]["context"]["protocols"] == {"event_version": 1}
    assert recorder.messages[1]["context"]["protocols"] == {"event_version": 2}
    assert recorder.messages[1]["context"]["locale"] == "en"
    assert compiled.find(recorder.messages[1]).version == 2
    assert recorder.messages[2]["name"] == "Home"
    assert recorder.messages[3]["name"] == "Cart"


WRONG = """import events

tracker = events.Tracker(__import__("segment.analytics"))
tracker.order_completed({"order_id": "1"}, user_id="u")
tracker.order_completed({"order_id": 1, "total": 2.5}, user_id="u")
tracker.order_completed({"order_id": "1", "total": 2.5, "colour": "red"}, user_id="u")
tracker.signed_up({"type": "bought"}, user_id="u")
tracker.order_completed({"order_id": "1", "total": 2.5}, user="u")
tracker.order_complete({"order_id": "1", "total": 2.5}, user_id="u")
tracker.signed_up({"type": "organic"}, user_id="u")
"""


def test_what_the_plan_refuses_does_not_pass_mypy(mypy: Checker, tmp_path: Path) -> None:
    written(load_plan(SHOP), tmp_path, "python")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, "utf-8")

    told = mypy(wrong)

    assert {int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line} == {4, 5, 6, 7, 8, 9}


def test_the_typescript_client_compiles_and_refuses_what_the_plan_does(tsc: Path, tmp_path: Path) -> None:
    file = written(load_plan(SHOP), tmp_path, "typescript")
    assert compiled_ts(tsc, file) == ""

    wrong = tmp_path / "wrong.ts"
    head = 'import { Tracker } from "./events";\ndeclare const tracker: Tracker;\n'
    wrong.write_text(
        head + 'tracker.orderCompleted({ order_id: "1" });\n'
        "tracker.orderCompleted({ order_id: 1, total: 2 });\n"
        'tracker.orderCompleted({ order_id: "1", total: 2, colour: "red" });\n'
        'tracker.signedUp({ type: "bought" });\n'
        'tracker.orderCompleted({ order_id: "1", total: 2 }, { context: { locale: "en" } });\n',
        "utf-8",
    )
    told = compiled_ts(tsc, wrong)
    assert {line.split("(")[1].split(",")[0] for line in told.splitlines() if ": error " in line} == {
        "3",
        "4",
        "5",
        "6",
    }


def test_the_typescript_client_sends_what_the_plan_allows(tsc: Path, tmp_path: Path) -> None:
    file = written(load_plan(SHOP), tmp_path, "typescript")
    options = ("--strict", "--skipLibCheck", "--target", "es2022", "--module", "commonjs", "--outDir")
    subprocess.run([tsc, *options, tmp_path / "out", file], check=True, capture_output=True, timeout=300)
    script = (
        'const { Tracker } = require("./out/events.js"); const sent = [];'
        "const record = (name) => (...given) => sent.push([name, ...given]);"
        'const sender = Object.fromEntries(["track", "page", "identify", "group", "alias"].map((n) => [n, record(n)]));'
        "const tracker = new Tracker(sender);"
        'tracker.orderCompletedV2({ order_id: "1", revenue: 1, currency: "EUR", products: [] }, { context: { a: 1 } });'
        'tracker.pageHome({ path: "/" }); tracker.identify("u", { plan: "plus" }); console.log(JSON.stringify(sent));'
    )
    done = subprocess.run(["node", "-e", script], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=300)

    track, page, identify = json.loads(done.stdout)
    assert track[:2] == ["track", "Order Completed"]
    assert track[3] == {"context": {"a": 1, "protocols": {"event_version": 2}}}
    assert page == ["page", "", "Home", {"path": "/"}, {}]
    assert identify == ["identify", "u", {"plan": "plus"}, {}]


@settings(max_examples=1, suppress_health_check=CHECKS, deadline=None, phases=(Phase.generate,))
@given(st.lists(plans().filter(lambda plan: bool(plan.rules)), min_size=8, max_size=8))
def test_clients_of_any_plan_compile(mypy: Checker, tsc: Path, tmp_path: Path, several: list[Plan]) -> None:
    python = [written(plan, tmp_path, "python", f"events_{number}") for number, plan in enumerate(several)]
    typescript = [written(plan, tmp_path, "typescript", f"events_{number}") for number, plan in enumerate(several)]

    assert mypy(*python) == ""
    assert compiled_ts(tsc, *typescript) == ""
    for file in python:
        loaded(file)


def test_a_schema_that_refers_to_itself_becomes_a_type_that_does(mypy: Checker, tsc: Path, tmp_path: Path) -> None:
    tree = {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/tree"}}}
    properties = {"type": "object", "properties": {"tree": {"$ref": "../defs/t.yaml#/$defs/tree"}, "class": {}}}
    rule = Rule("track", "A B", schemas={"properties": properties})
    plan = Plan("p", (rule,), defs={"defs/t.yaml": {"$defs": {"tree": tree}}})

    assert mypy(written(plan, tmp_path, "python")) == ""
    assert compiled_ts(tsc, written(plan, tmp_path, "typescript")) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Order Completed", "OrderCompleted"),
        ("order_completed", "OrderCompleted"),
        ("iOS App", "IOSApp"),
        ("2 x", "N2X"),
        ("é", "Event"),
    ],
)
def test_names_of_types(name: str, expected: str) -> None:
    assert pascal(name) == expected


def test_words_of_names() -> None:
    assert words("HTTPServer orderId_x-1") == ["HTTP", "Server", "order", "Id", "x", "1"]


def test_the_command_writes_to_a_file_or_to_stdout(line: Line, tmp_path: Path) -> None:
    ended = line("plan", "types", SHOP, "--lang", "python")
    assert ended.status == 0
    assert "class Tracker:" in ended.out
    assert line("plan", "types", SHOP, "--lang", "typescript", "--out", tmp_path / "a/b.ts").status == 0
    assert "export class Tracker" in (tmp_path / "a/b.ts").read_text("utf-8")
    assert line("plan", "types", SHOP, "--lang", "cobol").status == 2
