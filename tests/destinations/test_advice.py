"""What an answer means, in words; and where credentials belong that are refused here."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from router.destinations import advice
from router.destinations.base import Kind, Outcome
from router.destinations.customerio import Customerio
from router.destinations.webhook import WebhookSettings
from tests.partners.customerio import CustomerioPartner
from tests.partners.webhook import WebhookPartner


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(Kind.DELIVERED, "200"), "accepted: 200"),
        (Outcome(Kind.REFUSED, "401"), "401: the partner does not accept the credentials"),
        (Outcome(Kind.REFUSED, "403"), "403: the partner knows the credentials, and they lack the right to do this"),
        (Outcome(Kind.REFUSED, "307"), "redirects are not followed"),
        (Outcome(Kind.REJECTED, "404"), "look at the URL and the ids in it"),
        (Outcome(Kind.RETRY, "503"), "the partner has a fault of its own"),
        (Outcome(Kind.RETRY, "ENOTFOUND", "ClientConnectorDNSError"), "no such host"),
        (Outcome(Kind.REFUSED, "INVALID_SETTINGS", "a private address"), "settings.allow_private: a private address"),
    ],
)
def test_an_outcome_in_words(outcome: Outcome, words: str) -> None:
    said = advice.in_words(outcome)

    assert words in said
    assert "ClientConnector" not in said


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_words(kind: Kind) -> None:
    assert advice.in_words(Outcome(kind, "")) != ""


def test_a_blank_around_a_credential_is_named() -> None:
    spelled = {"url": "https://example.com", "secret": "abc ", "headers": {"Authorization": " Bearer x", "X-A": "b"}}
    settings = WebhookSettings.model_validate(spelled)

    assert list(advice.blank_credentials(settings)) == ["settings.secret", "settings.headers.Authorization"]


async def test_credentials_of_another_region_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CustomerioPartner(tmp_path / "us") as here, CustomerioPartner(tmp_path / "eu") as there:
        here.trouble("refuse")
        settings = there.connector().settings.model_copy(update={"base_url": None, "region": "us"})
        monkeypatch.setattr(type(settings), "regions", {"us": here.url, "eu": there.url})

        outcome = await advice.check(Customerio("cio", settings, 20.0))

    assert outcome is not None
    assert (outcome.kind, outcome.code) == (Kind.REFUSED, "401")
    assert advice.in_words(outcome).endswith("they belong to the region eu")


async def test_credentials_that_no_region_takes_are_said_to_be_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with CustomerioPartner(tmp_path / "us") as here:
        settings = here.connector().settings.model_copy(
            update={"base_url": None, "region": "us", "api_key": SecretStr("another")}
        )
        monkeypatch.setattr(type(settings), "regions", {"us": here.url, "eu": here.url})

        outcome = await advice.check(Customerio("cio", settings, 20.0))

    assert outcome is not None
    assert advice.in_words(outcome).endswith("the partner does not accept the credentials")


async def test_a_given_address_has_no_other_region(tmp_path: Path) -> None:
    async with CustomerioPartner(tmp_path) as partner:
        assert advice.other_regions(partner.connector()) == []


async def test_a_partner_without_a_probe_is_not_asked(tmp_path: Path) -> None:
    async with WebhookPartner(tmp_path) as partner:
        assert await advice.check(partner.connector()) is None
        assert partner.calls == []
