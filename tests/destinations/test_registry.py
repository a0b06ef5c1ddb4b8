"""Destination types that do not ship: by an entry point, or by the class that a topology names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from router.destinations import registry
from tests.cli.lines import Line
from tests.config.topologies import write

PARTNER = '''
"""Acme: one event a request."""

from pydantic import Field

from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings


class PartnerSettingsOfAcme(PartnerSettings):
    regions = {"global": "https://api.acme.example"}
    key: ApiKey = Field(examples=["${ACME_KEY}"], description="From the account page")


class Partner(HttpDestination):
    summary = "Events for Acme"
    Settings = PartnerSettingsOfAcme

    def requests(self, events):
        for event in events:
            yield HttpRequest.of_json("POST", "/events", [event], {"name": event.event})

    def authenticate(self, request, now):
        return {"Authorization": "Bearer " + self.settings.key.get_secret_value()}


class Unfinished(HttpDestination):
    summary = "Without requests"


class Other:
    pass
'''


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers and imports is gone after it."""
    list(registry.destination_types().values())  # those that ship stay
    monkeypatch.setattr(registry, "_TYPES", dict(registry._TYPES))
    monkeypatch.setattr(sys, "path", list(sys.path))
    registry._installed_types.cache_clear()
    yield
    for name in [name for name in sys.modules if name == "own_acme" or name.startswith("own_acme.")]:
        del sys.modules[name]
    registry._installed_types.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "own_acme/partner.py", PARTNER)
    return tmp_path


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(capsys)


def topology(folder: Path, kind: str) -> Path:
    text = (
        f"name: t\nsources: {{web: {{}}}}\ndestinations: {{acme: {{type: '{kind}', settings: {{key: hush-4711}}}}}}\n"
    )
    return write(folder, "topologies/t.yaml", text)


def test_a_topology_may_name_a_class(line: Line, folder: Path) -> None:
    path = topology(folder, "own_acme.partner:Partner")

    checked = line("check", path)
    tried = line("destinations", "try", "acme", json.dumps({"type": "track", "event": "E", "userId": "u"}),
                 "--topology", path, "--json")  # fmt: skip
    shown = line("destinations", "show", "own_acme.partner:Partner")

    assert checked.status == 0, checked.err
    (request,) = tried.answer[0]["requests"]
    assert (request["url"], json.loads(request["body"])) == ("https://api.acme.example/events", {"name": "E"})
    assert request["headers"]["Authorization"] == "Bearer ***"
    assert "Events for Acme" in shown.out
    assert "key: secret, required" in shown.out


def test_an_installed_package_may_offer_a_type(line: Line, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("acme", "own_acme.partner:Partner", registry.GROUP),
        EntryPoint("broken", "own_acme.nothing:Partner", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.GROUP else [])
    monkeypatch.syspath_prepend(folder)

    listed = line("destinations")
    checked = line("check", topology(folder, "acme"))

    assert "acme" in [text.split()[0] for text in listed.out.splitlines()]
    assert "broken" not in listed.out
    assert checked.status == 0, checked.err


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("own_acme.partner:Partnr", "expected a class of partner.py, got Partnr"),
        ("own_acme.none:Partner", "expected a module that can be imported, got own_acme.none"),
        ("own_acme.partner:Other", "expected a class of router.destinations.base.Connector"),
        ("own_acme.partner:Unfinished", "with all its methods"),
        ("own_acme.broken:Partner", "expected a module that can be imported, got ModuleNotFoundError"),
    ],
)
def test_what_is_no_connector_is_refused_with_its_place(line: Line, folder: Path, kind: str, words: str) -> None:
    write(folder, "own_acme/broken.py", "import nothing_there\n\n\nclass Partner: pass\n")

    ended = line("check", topology(folder, kind))

    assert ended.status == 1
    assert "t.yaml:3:" in ended.out
    assert "destinations.acme.type: " + words in ended.out or words in ended.out
