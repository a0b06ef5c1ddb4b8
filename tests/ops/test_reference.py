"""The reference pages are as the code has them, and what they show works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ops.reference.keys import Walk
from ops.reference.pages import FOLDER, sources, stale
from ops.running import plain_environment
from router.cli import main
from router.cli.app import load
from router.config.pulled import PULLED
from router.destinations.describe import describe
from router.destinations.registry import destination_types
from router.destinations.webhook import sign
from router.events.event import Limits
from router.events.schema import event_schema
from router.partner_sources.catalog import PARTNER_SOURCES

SECRET, BODY = "s3cret & ümlaut", '{"type": "track", "event": "Grüße"}\n'.encode()
BUILD = {
    "py": ([], ["python3", "verify.py"]),
    "mjs": ([], ["node", "verify.mjs"]),
    "sh": ([], ["bash", "verify.sh"]),
    "go": (["go", "build", "-o", "verify", "verify.go"], ["./verify"]),
    "java": (["javac", "Verify.java"], ["java", "-Xshare:auto", "Verify"]),
}


def test_the_pages_are_up_to_date() -> None:
    assert stale() == [], "these pages differ from the code: .venv/bin/python -m ops.reference writes them"


def test_the_example_of_each_destination_type_passes_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    destinations: dict[str, object] = {}
    for connector in destination_types().values():
        destinations |= yaml.safe_load(describe(connector)["example"])["destinations"]
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump({"name": "all", "sources": {"web": {}}, "destinations": destinations}))

    status = main(["check", str(file), "--no-env"])

    assert len(destinations) == len(destination_types()) > 20
    assert (status, capsys.readouterr().err) == (0, "")


def test_each_type_of_source_has_a_section_with_its_settings() -> None:
    models = {**PULLED, **{name: partner.Settings for name, partner in PARTNER_SOURCES.items()}}
    sections = dict(part.split("`\n", 1) for part in sources().split("\n## `")[1:])

    assert set(sections) == set(models)
    for name, model in models.items():
        keys = {field.alias or key for key, field in model.model_fields.items()}
        assert {key for key in keys if f"| `{key}` |" not in sections[name]} == set(), name
    assert "| `url` | secret | required |" in sections["sql"]


def test_keys_that_stand_twice_are_told_once() -> None:
    retry = {"type": "object", "properties": {"first": {"type": "string", "default": "1s", "description": "A | b"}}}
    choice = {"anyOf": [{"$ref": "#/$defs/Retry"}, {"type": "null"}], "default": None}
    schema = {
        "$defs": {"Retry": retry},
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "a": {"$ref": "#/$defs/Retry", "description": "How"},
            "b": choice,
            "c": {"type": "array", "items": {"type": "object", "properties": {"x": {"enum": ["p", "q"]}}}},
            "d": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }

    sections = Walk(schema).sections()

    assert [section.path for section in sections] == ["", "a", "c[]"]
    assert [(key.name, key.type, key.default) for key in sections[0].keys] == [
        ("name", "text", "required"), ("a", "mapping", ""), ("b", "as `a`", ""), ("c", "list of mapping", ""),
        ("d", "mapping of names to whole number", ""),
    ]  # fmt: skip
    assert sections[1].keys == (("first", "text", "`1s`", "A | b"),)
    assert sections[2].keys[0].type == "`p` or `q`"


@pytest.mark.parametrize("language", BUILD)
def test_the_code_that_verifies_a_webhook_does(language: str, tmp_path: Path) -> None:
    build, run = BUILD[language]
    tools = [command[0] for command in (build, run) if command and not command[0].startswith(".")]
    tools += ["openssl"] if language == "sh" else []
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"{', '.join(missing)}: not installed")
    for path in (FOLDER / "webhook").iterdir():
        shutil.copy(path, tmp_path)
    environment = plain_environment(PATH=os.environ["PATH"])
    if build:
        subprocess.run(build, cwd=tmp_path, env=environment, check=True, timeout=300, capture_output=True)

    def verified(timestamp: str, signature: str, body: bytes = BODY) -> bool:
        command = [*run, SECRET, timestamp, signature]
        done = subprocess.run(command, cwd=tmp_path, env=environment, input=body, capture_output=True, timeout=300)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    now = int(time.time())
    good, key = sign(SECRET.encode(), now, BODY), SECRET.encode()
    assert verified(str(now), good)
    assert not verified(str(now), good, BODY + b" ")
    assert not verified(str(now), good[:-1])
    assert not verified(str(now), sign(b"other", now, BODY))
    assert not verified(str(now - 3600), sign(key, now - 3600, BODY))
    assert not verified(str(now + 3600), sign(key, now + 3600, BODY))
    assert not verified("soon", good)


EXPORTS: dict[str, list[dict[str, Any]]] = {
    "mixpanel.py": [
        {"event": "Signed Up", "properties": {
            "time": 1767225600, "distinct_id": "u1", "$user_id": "u1", "$insert_id": "i1", "plan": "pro", "mp_lib": 1}},
        {"event": "Viewed", "properties": {"time": 1767225600, "distinct_id": "$device:d1", "$insert_id": "i2"}},
    ],
    "ga4.py": [
        {"event_name": "sign_up", "event_timestamp": "1767225600000000", "user_pseudo_id": "d1.2", "user_id": "u1",
         "event_params": [{"key": "plan", "value": {"string_value": "pro", "int_value": None}},
                          {"key": "ga_session_id", "value": {"int_value": "1"}}]},
        {"event_name": "view", "event_timestamp": "1767225600000000", "user_pseudo_id": "d1.2", "user_id": None,
         "event_params": [{"key": "seats", "value": {"int_value": "3"}}, {"key": "no", "value": {"int_value": None}}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("script", EXPORTS)
def test_exports_of_other_systems_become_events(script: str) -> None:
    given = "".join(json.dumps(row) + "\n" for row in EXPORTS[script]) + "\n"
    command = [sys.executable, str(FOLDER / "migrate" / script)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=300, check=True)

    first, second = map(json.loads, done.stdout.splitlines())
    for event in (first, second):
        jsonschema.validate(event, event_schema(Limits()), jsonschema.Draft202012Validator)
    assert (first["userId"], first["timestamp"], first["properties"]) == (
        "u1", "2026-01-01T00:00:00+00:00", {"plan": "pro"},
    )  # fmt: skip
    assert "userId" not in second
    assert second["properties"] == ({"seats": 3} if script == "ga4.py" else {})


def commands() -> list[tuple[str, str]]:
    """Each `router …` in a block of shell on a page of the reference, with the page's name."""
    found = []
    for page in sorted(FOLDER.rglob("*.md")):
        for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(str(page.relative_to(FOLDER)), line) for line in lines if line.startswith("router ")]
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_and_options_that_pages_show_exist(page: str, command: str) -> None:
    words = command.partition("#")[0].split()[1:]
    found = load(words[0])
    while sub := getattr(found, "commands", {}).get(words[1] if len(words) > 1 else ""):
        found, words = sub, words[1:]
    known = {option for parameter in found.params for option in parameter.opts}

    assert {word for word in words if word.startswith("--")} <= known
