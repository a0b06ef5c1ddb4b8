from __future__ import annotations

from threading import Event

import pytest

from router.cli.ahead import opening
from router.errors import Unavailable

SECONDS = 10.0


class Door:
    def __init__(self) -> None:
        self.closed = Event()

    def close(self) -> None:
        self.closed.set()


def test_it_opens_while_the_caller_does_something_else_and_is_closed_at_the_end() -> None:
    door, begun, may_open = Door(), Event(), Event()

    def make() -> Door:
        begun.set()
        assert may_open.wait(SECONDS)
        return door

    with opening(make) as opened:
        assert begun.wait(SECONDS)
        may_open.set()
        assert opened() is door
        assert not door.closed.is_set()

    assert door.closed.is_set()


def test_what_went_wrong_is_raised_where_the_result_is_asked_for() -> None:
    def make() -> Door:
        raise Unavailable("no broker answers")

    with opening(make) as opened, pytest.raises(Unavailable, match="no broker answers"):
        opened()


def test_a_caller_that_fails_meanwhile_does_not_wait_and_it_is_closed_once_open() -> None:
    door, may_open = Door(), Event()

    def make() -> Door:
        assert may_open.wait(SECONDS)
        return door

    with pytest.raises(ValueError, match="faulty file"), opening(make):
        raise ValueError("faulty file")

    assert not door.closed.is_set()
    may_open.set()
    assert door.closed.wait(SECONDS)
