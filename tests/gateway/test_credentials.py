"""Write keys: several at once, held as hashes only, one source each."""

from __future__ import annotations

import base64

import pytest

from router.config.models import SourceConfig
from router.gateway.credentials import NO_KEY, UNKNOWN_KEY, WriteKeys, basic_user

KEYS = WriteKeys(
    {
        "web": SourceConfig(write_keys=("old-key", "new-key")),
        "app": SourceConfig(write_keys=("app-key",)),
        "gone": SourceConfig(write_keys=("gone-key",), enabled=False),
    }
)


def test_both_keys_of_a_source_are_valid_at_once() -> None:
    """A key can be replaced without a gap."""
    for key in ("old-key", "new-key"):
        found = KEYS.find(key)
        assert (found.source, found.problem, found.header) == ("web", "", key.encode())


def test_a_key_is_of_its_own_source_only() -> None:
    assert KEYS.find("app-key").source == "app"


def test_a_disabled_source_is_told_from_an_unknown_key() -> None:
    gone = KEYS.find("gone-key")
    assert (gone.source, gone.problem) == ("gone", "source_disabled")
    assert KEYS.find("never-key") is UNKNOWN_KEY


def test_a_key_of_another_environment_is_told_from_an_unknown_key() -> None:
    sources = {
        "web": SourceConfig(write_keys=("web-key",), labels={"environment": "prod"}),
        "test": SourceConfig(write_keys=("test-key",), labels={"environment": "staging"}),
    }
    keys = WriteKeys(sources, "prod")

    assert [(found.source, found.problem) for found in map(keys.find, ("web-key", "test-key"))] == [
        ("web", ""),
        ("test", "other_environment"),
    ]
    assert keys.renewed(sources, "staging").find("web-key").problem == "other_environment"
    assert keys.renewed(sources).find("test-key").problem == ""


@pytest.mark.parametrize("key", ["old-ke", "old-key ", "OLD-KEY", "x" * 100_000, "old-key\0", "\ud800"])
def test_a_text_that_is_not_configured_is_unknown(key: str) -> None:
    assert KEYS.find(key) is UNKNOWN_KEY


@pytest.mark.parametrize("key", ["", None, 7, ["old-key"], {"old-key": 1}])
def test_anything_but_text_is_no_key(key: object) -> None:
    assert KEYS.find(key) is NO_KEY


def test_no_key_is_held_in_the_clear() -> None:
    """A memory dump or a log of the object shows hashes."""
    seen = repr(vars(KEYS))
    assert "old-key" not in seen
    assert "app-key" not in seen


def test_each_process_hashes_with_a_key_of_its_own() -> None:
    """So the time of a look-up says nothing about the configured keys."""
    one, two = (WriteKeys({"web": SourceConfig(write_keys=("k",))}).find("k") for _ in range(2))
    assert one.digest != two.digest


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "user"),
    [
        (f"Basic {encoded('key:')}", "key"),
        (f"basic {encoded('key:password:with:colons')}", "key"),
        (f"Basic {encoded('key')}", "key"),
        (f"Basic {encoded(':')}", ""),
        (f"Basic {encoded('schlüssel:')}", "schlüssel"),
        ("Bearer abc", None),
        ("Basic", ""),
        ("Basic ???", None),
        ("Basic //46", None),
        ("", None),
    ],
)
def test_the_basic_user_name_is_the_key(header: str, user: str | None) -> None:
    assert basic_user(header) == user
