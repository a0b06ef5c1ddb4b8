"""How a process was started: where the broker is, where it listens, where its state lies."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from router.errors import UsageError

Address = tuple[str, int]
GATEWAY: Address = ("127.0.0.1", 8080)
METRICS: Address = ("127.0.0.1", 9464)
CONSOLE: Address = ("127.0.0.1", 8090)
INSIGHTS: Address = ("127.0.0.1", 9465)
STATE = Path(".run")
EMBEDDED = "ROUTER_EMBEDDED"  # 1: the broker at --bootstrap is an embedded one
AUTO = 0  # workers: as many as the machine has cores for
MOST_WORKERS = 64
SUPERVISED = "ROUTER_SUPERVISED"  # the options of a child, as its supervisor hands them down


@dataclass(frozen=True)
class RunOptions:
    """Options that every running command shares.

    `bootstrap` is empty only before `router up` has started the embedded broker; `kafka` holds librdkafka settings
    that override ours; `env_file` is kept so that a parent process can hand it to its children. `supervised`: a parent
    process holds the port of `metrics` open, reads the same files and logs what changes in them. `console` is where the
    web console listens, None without one; `pages` are the metrics pages that it shows. `insights` is where its answers
    are served, and asked for; None where nobody counts. `called` is what the parent calls it: `route-2`.
    """

    bootstrap: str = ""
    embedded: bool = False
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: Path = STATE
    gateway: Address = GATEWAY
    metrics: Address = METRICS
    insights: Address | None = INSIGHTS
    env_file: Path | None = None
    supervised: bool = False
    called: str = ""
    console: Address | None = None
    pages: tuple[Address, ...] = ()

    def for_child(self, called: str) -> dict[str, str]:
        """The environment variable that hands these options to a child of this name; `ps` shows no secret in it."""
        from pydantic import TypeAdapter

        return {SUPERVISED: TypeAdapter(RunOptions).dump_json(replace(self, supervised=True, called=called)).decode()}


def from_supervisor(environment: MutableMapping[str, str]) -> RunOptions | None:
    """The options that a supervisor handed down, None without one. They are taken out: processes inherit nothing."""
    text = environment.pop(SUPERVISED, "")
    if not text:
        return None
    from pydantic import TypeAdapter

    return TypeAdapter(RunOptions).validate_json(text)


def parse_address(text: str) -> Address:
    """Host and port from `HOST:PORT`, `[::1]:PORT` or `:PORT` (all interfaces). Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"expected HOST:PORT such as 127.0.0.1:8080, got {text!r}")
    return (host.removeprefix("[").removesuffix("]") or "0.0.0.0"), int(port)  # noqa: S104 (asked for in words)


def parse_workers(text: str) -> int:
    """A number of route workers, or AUTO from `auto`. Raises UsageError."""
    if text == "auto":
        return AUTO
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise UsageError(f"--workers: expected a number from 1 to {MOST_WORKERS}, or auto, got {text!r}")
    return int(text)
