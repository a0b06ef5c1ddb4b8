"""The line of requirements.txt: as given, or where the router that runs was installed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.cli.repository import requirement
from router.cli.repository.requirement import Requirement
from router.errors import UsageError

GIT = "https://git.example.com/you/event-router"


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (
            {"url": GIT, "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            Requirement(f"event-router @ git+{GIT}@abc"),
        ),
        (
            {"url": GIT, "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "x"},
            Requirement(f"event-router @ git+{GIT}@abc#subdirectory=x"),
        ),
        ({"url": f"{GIT}/v1.tar.gz", "archive_info": {}}, Requirement(f"event-router @ {GIT}/v1.tar.gz")),
        (
            {"url": "file:///src/event-router", "dir_info": {"editable": True}},
            Requirement("event-router @ file:///src/event-router", local=True),
        ),
        (
            {"url": "file:///gone/event_router-1-py3-none-any.whl", "archive_info": {}},
            Requirement("event-router @ file:///gone/event_router-1-py3-none-any.whl", local=True),
        ),
    ],
)
def test_a_distribution_knows_where_it_came_from(recorded: dict[str, Any], expected: Requirement) -> None:
    assert requirement.direct(recorded) == expected


def test_a_wheel_is_taken_into_the_repository(tmp_path: Path) -> None:
    wheel = tmp_path / "a b" / "event_router-1-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"wheel")

    for found in (requirement.direct({"url": wheel.as_uri(), "archive_info": {}}), requirement.given(str(wheel))):
        assert found == Requirement("./event_router-1-py3-none-any.whl", wheel=wheel)
        assert requirement.copied(found, tmp_path) == [tmp_path / wheel.name]
        assert (tmp_path / wheel.name).read_bytes() == b"wheel"
    in_place = requirement.given(str(tmp_path / wheel.name))
    assert requirement.copied(in_place, tmp_path) == [tmp_path / wheel.name]
    assert requirement.copied(Requirement("event-router==1"), tmp_path) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"git+{GIT}@v1", f"event-router @ git+{GIT}@v1"),
        (f"event-router @ {GIT}/v1.zip", f"event-router @ {GIT}/v1.zip"),
        ("event-router==1.2", "event-router==1.2"),
    ],
)
def test_a_url_or_a_whole_line_is_taken_as_given(text: str, line: str) -> None:
    assert requirement.given(text) == Requirement(line)


@pytest.mark.parametrize("text", ["v1.2", "missing.whl", "/src/event-router", " "])
def test_what_pip_cannot_follow_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a URL such as git"):
        requirement.given(text)


def test_the_router_that_runs_is_a_checkout_here() -> None:
    found = requirement.installed()

    assert found.local
    assert found.line.startswith("event-router @ file://")
