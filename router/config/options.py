"""How a process was started: where the broker is, where it listens, where its state lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from router.errors import UsageError

Address = tuple[str, int]
GATEWAY: Address = ("127.0.0.1", 8080)
METRICS: Address = ("127.0.0.1", 9464)
STATE = Path(".run")
EMBEDDED = "ROUTER_EMBEDDED"  # set to 1 for children: the broker at --bootstrap is the embedded one
SUPERVISED = "ROUTER_SUPERVISED"  # set to 1 for children: their supervisor reads the same files and tells of them


@dataclass(frozen=True)
class RunOptions:
    """Options that every running command shares.

    `bootstrap` is empty only before `router up` has started the embedded broker; `kafka` holds librdkafka settings
    that override ours; `env_file` is kept so that a parent process can hand it to its children.
    """

    bootstrap: str = ""
    embedded: bool = False
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: Path = STATE
    gateway: Address = GATEWAY
    metrics: Address = METRICS
    env_file: Path | None = None


def parse_address(text: str) -> Address:
    """Host and port from `HOST:PORT`, `[::1]:PORT` or `:PORT` (all interfaces). Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"expected HOST:PORT such as 127.0.0.1:8080, got {text!r}")
    return (host.removeprefix("[").removesuffix("]") or "0.0.0.0"), int(port)  # noqa: S104 (asked for in words)
