"""Signing in by an OpenID provider: who gets which role, and which logins do not come off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from joserfc.jwk import ECKey
from yarl import URL

from router.config.options import RunOptions
from router.console.access import Access
from router.console.app import COOKIE, make_app
from router.console.oidc import KEYS_SECONDS, OidcLogin
from router.console.oidc_settings import CALLBACK, LOGIN_SECONDS, PREFIX, LoginRefused, OidcSettings
from router.console.sight import Sight
from router.errors import UsageError
from tests.console.oidc_provider import CLIENT_ID, OidcProvider
from tests.console.pages import shop
from tests.console.test_access import Clock

NEEDED = {f"{PREFIX}ISSUER": "https://idp.example/realm", f"{PREFIX}CLIENT_ID": "console",
          f"{PREFIX}URL": "https://console.example"}  # fmt: skip
VIEWERS = {f"{PREFIX}VIEWERS": "people"}


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("groups", {"groups": ["people"]}, "viewer"),
        ("groups", {"groups": ["people", "on-call"]}, "operator"),
        ("groups", {"groups": "on-call"}, "operator"),
        ("groups", {"groups": ["others"]}, None),
        ("groups", {}, None),
        ("groups", {"groups": {"on-call": True}}, None),
        ("groups", {"groups": [{"name": "on-call"}, 7]}, None),
        ("realm_access.roles", {"realm_access": {"roles": ["on-call"]}}, "operator"),
        ("realm_access.roles", {"realm_access": ["on-call"]}, None),
    ],
)
def test_the_role_is_what_the_claim_says(claim: str, claims: dict[str, Any], role: str | None) -> None:
    given = NEEDED | VIEWERS | {f"{PREFIX}OPERATORS": "on-call", f"{PREFIX}CLAIM": claim}
    settings = OidcSettings.of(given)

    assert settings is not None
    assert settings.role(claims) == role


def test_a_star_is_everybody_who_can_sign_in() -> None:
    settings = OidcSettings.of(NEEDED | {f"{PREFIX}VIEWERS": "*"})

    assert settings is not None
    assert settings.role({"sub": "1"}) == "viewer"
    assert OidcSettings.of({"HOME": "/", f"{PREFIX}ISSUER": " "}) is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({f"{PREFIX}ISSUER": "https://idp.example"}, "expected ROUTER_CONSOLE_OIDC_CLIENT_ID and "),
        (NEEDED, "expected ROUTER_CONSOLE_OIDC_OPERATORS or ROUTER_CONSOLE_OIDC_VIEWERS"),
        (NEEDED | {f"{PREFIX}OPERATOR": "x"}, "ROUTER_CONSOLE_OIDC_OPERATOR: expected one of "),
        (NEEDED | VIEWERS | {f"{PREFIX}ISSUER": "http://idp.example"}, "expected an address with https"),
        (NEEDED | VIEWERS | {f"{PREFIX}URL": "console.example"}, "ROUTER_CONSOLE_OIDC_URL: expected an address"),
    ],
)
def test_settings_that_do_not_make_a_login_are_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Access.of(("0.0.0.0", 8090), given)


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    made = OidcProvider()
    async with made.server:
        yield made


def settings_of(provider: OidcProvider) -> dict[str, str]:
    given = {"ISSUER": provider.issuer, "CLIENT_ID": CLIENT_ID, "URL": "https://console.example", "CLAIM": "groups",
             "OPERATORS": "on-call", "VIEWERS": "people"}  # fmt: skip
    return {PREFIX + name: value for name, value in given.items()}


def login_of(provider: OidcProvider, clock: Clock | None = None) -> OidcLogin:
    settings = OidcSettings.of(settings_of(provider))
    assert settings is not None
    return OidcLogin(settings, clock or Clock())


async def authorized(url: str) -> dict[str, str]:
    """What the provider sends the browser back with."""
    async with ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        back = URL(answer.headers["Location"])
        assert f"{back.origin()}{back.path}" == f"https://console.example{CALLBACK}"
        return dict(back.query)


async def sign_in(login: OidcLogin) -> tuple[str, str]:
    url, state = await login.begin()
    return await login.end(await authorized(url), state)


async def test_a_login_gives_name_and_role_and_asks_the_provider_once_for_what_stays(provider: OidcProvider) -> None:
    login = login_of(provider)

    assert await sign_in(login) == ("vera", "viewer")
    provider.claims = {"sub": "2", "email": "otto@shop.example", "groups": ["on-call"]}
    assert await sign_in(login) == ("otto@shop.example", "operator")
    assert provider.calls == ["configuration", "keys"]


@pytest.mark.parametrize(
    "spoil",
    [
        {"iss": "https://evil.example"}, {"aud": "another"}, {"exp": 1}, {"exp": None}, {"nonce": "another"},
        {"nonce": None}, {"sub": None}, {"iat": None},
    ],
    ids=str,
)  # fmt: skip
async def test_a_token_that_is_not_for_this_login_is_refused(provider: OidcProvider, spoil: dict[str, Any]) -> None:
    provider.spoil = spoil

    with pytest.raises(LoginRefused, match="does not hold"):
        await sign_in(login_of(provider))


async def test_somebody_without_a_role_is_refused(provider: OidcProvider) -> None:
    provider.claims = {"sub": "3", "groups": ["others"]}

    with pytest.raises(LoginRefused, match="no role here"):
        await sign_in(login_of(provider))


async def test_a_key_of_another_is_refused_and_a_new_one_of_the_provider_is_looked_up(provider: OidcProvider) -> None:
    clock = Clock()
    login = login_of(provider, clock)
    assert await sign_in(login) == ("vera", "viewer")

    provider.signs_with = ECKey.generate_key("P-256", {"kid": "one"})
    with pytest.raises(LoginRefused, match="does not hold"):
        await sign_in(login)
    provider.signs_with = provider.key = ECKey.generate_key("P-256", {"kid": "two", "alg": "ES256", "use": "sig"})
    with pytest.raises(LoginRefused, match="a key that is not the provider's"):
        await sign_in(login)  # not asked for again within a minute
    clock.now += KEYS_SECONDS
    assert await sign_in(login) == ("vera", "viewer")


async def test_a_login_ends_once_in_the_browser_that_began_it_and_within_ten_minutes(provider: OidcProvider) -> None:
    clock = Clock()
    login = login_of(provider, clock)
    url, state = await login.begin()
    back = await authorized(url)
    _, others = await login.begin()

    for query, cookie in (
        (back, others),
        (back, ""),
        (back | {"state": others}, state),
        ({"code": back["code"]}, ""),
        ({}, ""),
    ):
        with pytest.raises(LoginRefused, match="not begun here"):
            await login.end(query, cookie)
    assert (await login.end(back, state))[1] == "viewer"
    with pytest.raises(LoginRefused, match="not begun here"):
        await login.end(back, state)

    url, state = await login.begin()
    clock.now += LOGIN_SECONDS
    with pytest.raises(LoginRefused, match="took too long"):
        await login.end(await authorized(url), state)
    _, state = await login.begin()
    with pytest.raises(LoginRefused, match="The provider refused: access_denied"):
        await login.end({"state": state, "error": "access_denied"}, state)


async def test_a_code_is_worth_nothing_without_its_verifier(provider: OidcProvider) -> None:
    login = login_of(provider)
    url, _ = await login.begin()
    stolen = (await authorized(url))["code"]
    _, state = await login.begin()

    with pytest.raises(LoginRefused, match="no ID token"):
        await login.end({"state": state, "code": stolen}, state)


async def test_the_console_signs_in_by_the_provider_and_keeps_no_token_of_it(
    provider: OidcProvider, tmp_path: Path
) -> None:
    """No broker is there, and none is asked."""
    access = Access.of(("0.0.0.0", 8090), settings_of(provider))
    sight = Sight(shop(tmp_path), RunOptions("127.0.0.1:1"))
    async with TestClient(TestServer(make_app(sight, access))) as client:

        async def get(path: str) -> tuple[int, str, str]:
            async with client.get(path, allow_redirects=False) as answer:
                return answer.status, answer.headers.get("Location", ""), await answer.text()

        assert (await get("/"))[:2] == (303, "/login")
        status, to, _ = await get("/login")
        assert (status, to.startswith(f"{provider.issuer}/authorize?")) == (303, True)
        query = await authorized(to)
        async with client.get(CALLBACK, params=query, allow_redirects=False) as answer:
            # Not a redirect: a browser on its way from another site would not send the new cookie along.
            assert (answer.status, answer.headers["Refresh"]) == (200, "0; url=/")
        cookies = {one.key: one for one in client.session.cookie_jar}
        assert (cookies[COOKIE]["samesite"], cookies[COOKIE]["httponly"]) == ("Strict", True)
        assert "vera, viewer" in (await get("/none"))[2]
        assert (await get(f"{CALLBACK}?code=x&state=y"))[0] == 403

        async with client.post("/logout", headers={"Origin": f"http://{client.host}:{client.port}"}) as answer:
            assert "You have signed out." in await answer.text()
        assert (await get("/"))[:2] == (303, "/login")


async def test_while_the_provider_is_away_the_login_says_so(tmp_path: Path) -> None:
    gone = {f"{PREFIX}ISSUER": "http://127.0.0.1:1", f"{PREFIX}URL": "http://127.0.0.1:8090"}
    access = Access.of(("127.0.0.1", 8090), NEEDED | VIEWERS | gone)
    sight = Sight(shop(tmp_path), RunOptions("127.0.0.1:1"))
    async with TestClient(TestServer(make_app(sight, access))) as client, client.get("/login") as answer:
        assert answer.status == 503
        assert "the provider at 127.0.0.1 does not answer as it should" in await answer.text()
