"""Sources that a partner posts to: their settings, their map, and what a change of them is."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.changes import changes
from router.config.options import RunOptions
from router.config.schema import topology_schema
from router.partner_sources.catalog import PARTNER_SOURCES
from router.partner_sources.customerio import CustomerioSourceSettings
from router.process.run import secrets
from tests.config.test_schema import errors
from tests.config.topologies import REGISTRY, load, problems, write

MAIL = "mail: {type: customerio, settings: {signing_key: hush}}"


def topology(folder: Path, *sources: str) -> Path:
    return write(folder, "t.yaml", "name: t\nsources:\n" + "".join(f"  {source}\n" for source in sources))


def test_a_partner_source_needs_no_write_key(tmp_path: Path) -> None:
    loaded = load(topology(tmp_path, "web: {write_keys: [one]}", MAIL))

    assert list(loaded.source_settings) == ["mail"]
    settings = loaded.source_settings["mail"]
    assert isinstance(settings, CustomerioSourceSettings)
    assert settings.signing_key.get_secret_value() == "hush"
    assert sorted(secrets(loaded, RunOptions())) == ["hush", "one"]
    assert list(loaded.topology.sources["mail"].keys("mail")) == ["hook:mail"]
    assert list(loaded.topology.sources["web"].keys("web")) == ["one"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("mail: {type: customerio}", "3:9: sources.mail.settings.signing_key: expected a value, got nothing"),
        (
            "mail: {type: customerio, settings: {signing_key: x, campaign: {}}}",
            "3:55: sources.mail.settings.campaign: expected a known key, got campaign (did you mean campaigns?)",
        ),
        (
            "mail: {type: customerio, settings: {signing_key: 7}}",
            "3:52: sources.mail.settings.signing_key: expected a text, got a value that is not shown",
        ),
        (
            "mail: {type: customerio, settings: {signing_key: x, tolerance: 5}}",
            "3:66: sources.mail.settings.tolerance: expected a value such as 200ms, 10s, 5m or 4h, got 5",
        ),
        (
            "mail: {type: sendgrid, settings: {verification_key: nonsense}}",
            "3:55: sources.mail.settings.verification_key: expected the verification key that SendGrid shows "
            "(base64, without PEM lines), got a value that is not shown",
        ),
        (
            "mail: {type: customer-io, settings: {signing_key: x}}",
            "3:16: sources.mail.type: expected a source type, got customer-io (did you mean customerio?)",
        ),
        (
            "mail: {type: hook, settings: {signature_header: X}}",
            "3:32: sources.mail.settings: expected token or signing_key, so that nobody else can post, got neither",
        ),
        (
            "mail: {type: hook, settings: {token: x}, map: {event: [a..b]}}",
            "3:58: sources.mail.map.event[0]: expected a path such as properties.total (at most 32 names), got 'a..b'",
        ),
        (
            "mail: {type: hook, settings: {token: x}, map: {event: [a]}}",
            "3:57: sources.mail.map.event: expected one value, such as {path: id}, got a list",
        ),
        (
            "mail: {type: customerio, settings: {signing_key: x}, map: {event: a}}",
            "3:56: sources.mail.map: expected no map, got one: a customerio source has a mapping of its own",
        ),
        (
            "mail: {map: {event: a}}",
            "3:10: sources.mail.map: expected no map, got one: a segment source has a mapping of its own",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, source: str, problem: str) -> None:
    assert problems(topology(tmp_path, source)) == [f"t.yaml:{problem}"]


@pytest.mark.parametrize("name", PARTNER_SOURCES)
def test_placeholders_are_taken_for_settings_from_the_environment(tmp_path: Path, name: str) -> None:
    """`router check --no-env` and `router test` know none of them."""
    fields = PARTNER_SOURCES[name].Settings.model_fields
    given = {key: "${X}" for key, info in fields.items() if info.is_required()} or {"token": "${X}"}
    text = ", ".join(f'{key}: "{value}"' for key, value in given.items())

    assert problems(topology(tmp_path, f"mail: {{type: {name}, settings: {{{text}}}}}"), placeholders=True) == []


def test_a_change_names_settings_and_shows_none(tmp_path: Path) -> None:
    hook = "t: {type: hook, settings: {token: x}, map: {event: a}}"
    before = load(topology(tmp_path, MAIL, hook))
    after = load(topology(tmp_path, MAIL.replace("hush", "other"), hook.replace("event: a", "event: b")))

    assert list(map(str, changes(before, after))) == ["sources.mail.settings: changed", "sources.t.map: changed"]


def test_the_schema_for_editors_knows_the_settings_of_each_type() -> None:
    assert errors("sources: {mail: {type: customerio, settings: {signing_key: x}}}") == []
    assert errors("sources: {mail: {type: customerio, settings: {signing_kye: x}}}") != []
    assert errors("sources: {mail: {type: customerio}}") != []
    assert errors("sources: {mail: {type: customer-io}}") != []
    assert errors("sources: {web: {write_keys: [x]}, app: {type: segment}}") == []
    descriptions = topology_schema(REGISTRY)["$defs"]["source-settings-customerio"]["properties"]
    assert "signing key" in descriptions["signing_key"]["description"]
