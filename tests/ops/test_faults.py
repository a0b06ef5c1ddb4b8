"""What chaos runs wait for after a fault."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ops.faults.fleet import Fleet, Member
from ops.faults.probes import Ready

WORLD: Any = None  # no process is started


def test_a_process_that_is_removed_before_it_could_serve_is_waited_for_no_longer() -> None:
    fleet, member = Fleet(WORLD), Member("route-1", "route", ("127.0.0.1", 1), ())
    running: Any = SimpleNamespace(child=SimpleNamespace(poll=lambda: None, terminate=lambda: None))
    member.process = running
    fleet.members.append(member)
    added = Ready(member)
    assert not added.over()

    fleet.remove(member)

    assert added.over()
    assert (fleet.members, fleet.gone) == ([], [member])
