"""`router console`: the web console, on pages of running processes and on Kafka itself."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Annotated

import typer

from router.cli.loading import require_broker, watch
from router.cli.options import Topologies, with_run_options
from router.config.environment import environment
from router.config.options import CONSOLE, INSIGHTS, Address, RunOptions, parse_address
from router.console.access import Access
from router.errors import UsageError
from router.process.run import run_process

CONSOLE_ADDRESS = "{}:{}".format(*CONSOLE)
OFF = "off"
INSIGHTS_ADDRESS = "{}:{}".format(*INSIGHTS)
_EXTRA = "jinja2"  # what the extra `console` brings


@with_run_options("bootstrap", "metrics", "kafka", "env_file")
def command(
    topologies: Topologies,
    console: Annotated[
        str, typer.Option("--console", metavar="HOST:PORT", help="Address of the web console.")
    ] = CONSOLE_ADDRESS,
    pages: Annotated[
        list[str],
        typer.Option(
            "--pages",
            metavar="HOST:PORT",
            help="Metrics page to show counts and health of, such as that of `router up`; repeatable. Left out: what "
            "Kafka itself says.",
        ),
    ] = [],  # noqa: B006  typer copies it
    insights: Annotated[
        str, typer.Option("--insights", metavar="HOST:PORT", help="Where `router insights` answers, or `off`.")
    ] = INSIGHTS_ADDRESS,
    *,
    options: RunOptions,
) -> None:
    """Run the web console: what comes in, where it goes, why something did not; pause, resume, redrive.

    On loopback it needs no login. Anywhere else it wants ROUTER_CONSOLE_TOKENS in the environment or the env file:
    NAME:ROLE:TOKEN, several with blanks between, ROLE being viewer or operator; or an OpenID provider in
    ROUTER_CONSOLE_OIDC_ISSUER and others, see ops/README.md. Every action is written to the topic
    <topology>.audit. It keeps no state.
    """
    require_broker(options)
    reload = watch(topologies, options, plans=False)
    options = _with_addresses(options, console, pages, insights)
    access = Access.of(options.console or CONSOLE, environment(options.env_file))
    from router.console.server import run_console

    raise typer.Exit(
        run_process(
            "console",
            reload.active,
            options,
            lambda stop, health: run_console(access, options, stop, health, reload),
            reload,
        )
    )


def console_address(text: str, options: RunOptions) -> Address | None:
    """Where `router up` has the console, None where it has none. Raises UsageError where nobody could log in."""
    if text == OFF or not _installed():
        return None
    address = parse_address(text)
    Access.of(address, environment(options.env_file))
    return address


def _with_addresses(options: RunOptions, console: str, pages: list[str], insights: str) -> RunOptions:
    """Those of the supervisor, else those of the command line."""
    if not _installed():
        raise UsageError("expected the extra `console`: pip install 'event-router[console]'")
    if options.supervised:
        return options
    asked = None if insights == OFF else parse_address(insights)
    return replace(options, console=parse_address(console), pages=tuple(map(parse_address, pages)), insights=asked)


def _installed() -> bool:
    return importlib.util.find_spec(_EXTRA) is not None
