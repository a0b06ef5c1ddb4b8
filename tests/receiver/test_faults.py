"""Faults as words of a command line."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import UsageError
from router.receiver.faults import InjectedFault, parse_faults


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["500"], {"*": [{"kind": "status", "status": 500}]}),
        (["hang"], {"*": [{"kind": "hang"}]}),
        (["/crm=close,share=0.5"], {"/crm": [{"kind": "close", "share": 0.5}]}),
        (
            ["/crm=429,retry_after=2,times=3", "/crm=slow,seconds=0.5", "/ads=poison,status=400"],
            {
                "/crm": [
                    {"kind": "status", "status": 429, "retry_after": "2", "times": 3},
                    {"kind": "slow", "seconds": 0.5},
                ],
                "/ads": [{"kind": "poison", "status": 400}],
            },
        ),
        (["redirect,location=http://127.0.0.1/y?a=b"], {"*": [{"kind": "redirect", "location": "http://127.0.0.1/y?a=b"}]}),
    ],
)  # fmt: skip
def test_a_fault_is_a_kind_with_keys(texts: list[str], expected: dict[str, list[dict[str, Any]]]) -> None:
    assert parse_faults(texts) == {path: [InjectedFault(**one) for one in all_] for path, all_ in expected.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hangs", "expected a status such as 500, or a kind of fault, got 'hangs' (did you mean hang?)"),
        ("/crm", "got ''"),
        ("700", "status: input should be less than or equal to 599, got 700"),
        ("500,share=2", "share: input should be less than or equal to 1, got 2"),
        ("500,often=3", "expected one of status, share, times, seconds, retry_after, location, got often"),
        ("500,times=x", "times: input should be a valid integer"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_faults([text])

    assert str(raised.value).startswith(f"--fail {text}: ")
    assert said in str(raised.value)


def test_a_fault_applies_as_often_as_it_says() -> None:
    fault = InjectedFault(kind="close", times=2)

    assert [fault.applies(b"{}") for _ in range(4)] == [True, True, False, False]
    assert not InjectedFault(kind="close", share=0).applies(b"{}")
    assert InjectedFault(kind="poison").applies(b'{"poison":true}')
    assert not InjectedFault(kind="poison").applies(b"{}")
