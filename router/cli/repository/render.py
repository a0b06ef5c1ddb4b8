"""The files of a new repository but for the plan's own, as text."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from router import __version__
from router.cli.repository.samples import USER, Samples, samples
from router.plan import Plan
from router.plan_tools.write import dump

FILES = {
    "README.md": "readme.md",
    ".gitignore": "gitignore",
    ".env.example": "env.example",
    ".dockerignore": "dockerignore",
    ".gitlab-ci.yml": "gitlab.yaml",
    ".github/workflows/events.yaml": "github.yaml",
    "Dockerfile": "Dockerfile",
    "docker-compose.yml": "compose.yaml",
    "requirements.txt": "requirements.txt",
    "topologies/{{name}}.yaml": "topology.yaml",
}
"""Each file's path in the repository, and where its text is kept."""
SOURCE = Path(__file__).parent / "files"


def files_of(name: str, plan: Plan, requirement: str) -> dict[str, str]:
    """The text of each file by its path. `name` is the topology's; the plan is the one in schemas/<name>;
    `requirement` is the line by which pip finds the router.
    """
    found = samples(plan)
    words = {
        "name": name,
        "version": __version__,
        "requirement": requirement,
        "call": found.good["type"],
        "event": _quoted(found.good | {"messageId": "m-1"}),
        "broken": _quoted(found.broken | {"messageId": "m-2"}),
    }
    files = {filled(path, words): filled((SOURCE / kept).read_text("utf-8"), words) for path, kept in FILES.items()}
    return files | {f"topologies/{name}.test.yaml": _tests(found)}


def filled(text: str, words: dict[str, str]) -> str:
    """The text with `{{word}}` replaced."""
    for word, value in words.items():
        text = text.replace(f"{{{{{word}}}}}", value)
    return text


def _quoted(event: dict[str, Any]) -> str:
    """The event as a word of a shell; the call's type stands in the address."""
    return shlex.quote(json.dumps({key: value for key, value in event.items() if key != "type"}))


def _tests(found: Samples) -> str:
    """The topology's test file."""
    good, broken = ({"source": "web", **event, "messageId": "m-1"} for event in (found.good, found.broken))
    shown = {key: good[key] for key in ("type", "event", "name") if key in good}
    unplanned = {"source": "web", "type": "track", "event": "Nobody Planned This", "userId": USER}
    person = {"source": "web", "type": "identify", "userId": USER, "messageId": "m-1", "traits": {}}
    cases = [
        {
            "name": "an event reaches each destination once, however often it is sent",
            "given": [good, good],
            "expect": {"crm": [shown], "archive": [shown], "blocked": [], "violations": [], "duplicates": 1},
        },
        {
            "name": "an event that breaks the plan reaches each destination whole, and is reported",
            "given": [broken],
            "expect": _whole(found.broken) | {"violations": found.violations},
        },
        {
            "name": "an event that nobody planned reaches each destination whole, and is reported",
            "given": [unplanned | {"messageId": "m-1"}],
            "expect": _whole(unplanned) | {"violations": [{"class": "unplanned_event", "outcome": "allowed"}]},
        },
        {
            "name": "people go to the CRM and the archive",
            "given": [person],
            "expect": {"crm": [{"type": "identify"}], "archive": [{"type": "identify"}], "invalid": []},
        },
    ]
    return "# What the topology promises. Run by: router test topologies\n" + dump({"tests": cases})


def _whole(event: dict[str, Any]) -> dict[str, Any]:
    """What a test expects of an event that is kept from no destination."""
    sent = {key: value for key, value in event.items() if key != "source"}
    return {"crm": [sent], "archive": [sent], "blocked": []}
