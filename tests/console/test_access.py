"""Who may see and act: tokens, sessions, hosts and origins."""

from __future__ import annotations

import pytest

from router.config.options import Address
from router.console.access import FAILURES, SESSION_SECONDS, TOKENS, Access, Sessions
from router.console.hosts import origin_is_ours
from router.errors import UsageError

LOCAL: Address = ("127.0.0.1", 8090)
ABROAD: Address = ("0.0.0.0", 8090)
VIEWER, OPERATOR = "v" * 16, "o" * 20
PEOPLE = {TOKENS: f"vera:viewer:{VIEWER} otto:operator:{OPERATOR}"}


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_on_loopback_everybody_is_an_operator_and_nobody_signs_in() -> None:
    access = Access.of(LOCAL, {})
    person = Sessions(access).person("")

    assert not access.needs_login
    assert person is not None
    assert person.may_act


def test_where_other_machines_reach_it_it_does_not_start_without_tokens() -> None:
    with pytest.raises(UsageError, match=TOKENS):
        Access.of(ABROAD, {})


@pytest.mark.parametrize(
    "text", ["vera", "vera:viewer", f"vera:admin:{VIEWER}", f":viewer:{VIEWER}", "vera:viewer:short"]
)
def test_tokens_of_another_form_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError) as error:
        Access.of(ABROAD, {TOKENS: text})

    assert VIEWER not in str(error.value)
    assert "short" not in str(error.value)


def test_a_session_has_the_role_of_its_token_until_it_ends() -> None:
    clock = Clock()
    sessions = Sessions(Access.of(ABROAD, PEOPLE), clock)
    viewer, operator = sessions.log_in(VIEWER, "a"), sessions.log_in(OPERATOR, "a")
    assert viewer
    assert operator
    seen, acts = sessions.person(viewer), sessions.person(operator)
    assert seen is not None
    assert acts is not None
    assert (seen.name, seen.may_act, acts.name, acts.may_act) == ("vera", False, "otto", True)
    assert seen.token != acts.token

    sessions.log_out(viewer)
    assert sessions.person(viewer) is None
    clock.now += SESSION_SECONDS + 1
    assert sessions.person(operator) is None
    assert sessions.person("") is None


def test_after_five_failures_an_address_waits_a_minute() -> None:
    clock = Clock()
    sessions = Sessions(Access.of(ABROAD, PEOPLE), clock)
    for _ in range(FAILURES):
        assert not sessions.too_many("a")
        assert sessions.log_in("x" * 16, "a") is None

    assert sessions.too_many("a")
    assert not sessions.too_many("b")
    clock.now += 61
    assert not sessions.too_many("a")


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1:8090", True), ("localhost:1", True), ("[::1]:8090", True), ("evil.example", False), ("", False),
     ("127.0.0.1.evil.example:8090", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_without_a_login_only_names_of_this_machine_are_hosts(host: str, ours: bool) -> None:
    assert Access.of(LOCAL, {}).host_is_ours(host) is ours


@pytest.mark.parametrize(
    ("origin", "ours"),
    [("http://127.0.0.1:8090", True), ("https://127.0.0.1:8090", True), ("http://127.0.0.1:81", False),
     ("null", False), ("", False), ("http://evil.example", False)],
)  # fmt: skip
def test_an_origin_is_ours_when_it_is_the_host(origin: str, ours: bool) -> None:
    assert origin_is_ours("127.0.0.1:8090", origin) is ours
