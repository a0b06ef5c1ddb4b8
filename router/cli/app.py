"""The command table. A sub-command is one module that is imported only when it is run.

To add one: write `router/cli/<name>.py` with a function `command` (its typer parameters are the command line, its
docstring the help), or a `typer.Typer` named `app` for a group of commands, and add one line to COMMANDS. A command
returns nothing; to end with another status it raises a RouterError or `typer.Exit(1)`. Answers go to stdout, the rest
to stderr; what a command is run to find is its answer (`router.cli.findings`). Every option gets the environment
variable `ROUTER_<OPTION>`; shared options are in `router.cli.options`.
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from router.cli import report
from router.errors import RouterError, Unavailable

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("router.cli.up", "Run everything: gateway, route workers, delivery, metrics"),
    "gateway": ("router.cli.gateway", "Run the HTTP gateway alone"),
    "route": ("router.cli.route", "Run one route worker alone"),
    "deliver": ("router.cli.deliver", "Run delivery alone"),
    "insights": ("router.cli.insights", "Run the counts over time alone, served as JSON"),
    "new": ("router.cli.new", "Create a repository: topology, plan, tests, CI"),
    "ops-files": ("router.cli.ops_files", "Write alert rules, dashboard and runbook into a folder"),
    "check": ("router.cli.check", "Check topology files, test files and plan folders"),
    "test": ("router.cli.test", "Run topology tests, without a broker"),
    "plan": ("router.cli.plan", "Work with tracking plans"),
    "topics": ("router.cli.topics", "Show, create or check the topics of a topology"),
    "destinations": (
        "router.cli.destinations",
        "List destination types; try events; check credentials",
    ),
    "status": ("router.cli.status", "Show the counts and health of a running router"),
    "console": ("router.cli.console", "Run the web console alone"),
    "state": ("router.cli.state", "Show and verify the on-disk state of route workers"),
    "trace": ("router.cli.trace", "Tell what became of an event or of a person's events"),
    "dlq": ("router.cli.dlq", "List, show, redrive and purge dead letters"),
    "replay": ("router.cli.replay", "Send events that were routed before once more"),
    "tap": ("router.cli.tap", "Print the events of a topic as they arrive"),
    "privacy": ("router.cli.privacy", "Find personal data in events"),
    "snippet": ("router.cli.snippet", "Print what makes a page or a program send to a source"),
    "send": ("router.cli.send", "Send events from a file to a source"),
    "import": ("router.cli.history.importing", "Import events and rows of files: CSV, NDJSON, archives"),
    "pull": ("router.cli.history.pulling", "Pull new and changed rows of a query on a database"),
    "receiver": ("router.cli.receiver", "Receive what webhooks send: a partner to try them with"),
    "schema": ("router.cli.schema", "Print the JSON Schema of a file format"),
}


_OF_THE_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS))


class CommandTable(TyperGroup):
    """A group whose members are known by name and summary, and imported when chosen."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else None, rest


root = typer.Typer(name="router", cls=CommandTable, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


def _version(asked: bool) -> None:
    if asked:
        from router import __version__
        from router.native.library import native

        typer.echo(f"event-router {__version__}\nnative library: {native()}")
        raise typer.Exit


@root.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Route customer events: validate, dedupe, merge identities, deliver.

    Exit status: 0 success; 1 the input is faulty; 2 wrong usage; 3 an external system (broker, disk) is unavailable.
    """


def load(name: str) -> TyperCommand | TyperGroup:
    """Import a sub-command of the table and make it part of this command line."""
    module = importlib.import_module(COMMANDS[name][0])
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(module.command)
    command = get_command(app)
    assert isinstance(command, TyperCommand | TyperGroup)
    command.name = name
    _prepare(command)
    return command


def _prepare(command: Any) -> None:
    """Plain help, no completion options, an environment variable for every option."""
    command.rich_markup_mode = None
    command.params = [p for p in command.params if p.name not in ("install_completion", "show_completion")]
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.envvar is None and parameter.name != "help":
            parameter.envvar = "ROUTER_" + max(parameter.opts, key=len).lstrip("-").replace("-", "_").upper()
            parameter.show_envvar = True
    for member in getattr(command, "commands", {}).values():
        _prepare(member)


def table() -> TyperGroup:
    """The root command, with a summary in place of each sub-command."""
    group = get_command(root)
    assert isinstance(group, TyperGroup)
    for name, (_, summary) in COMMANDS.items():
        group.add_command(TyperCommand(name, help=summary, short_help=summary), name)
    return group


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; errors made on purpose, and of files, become a message and a status, others keep their
    traceback.
    """
    report.start()
    try:
        status = table().main(arguments, prog_name="router", standalone_mode=False)
    except typer.TyperException as error:
        error.show() if hasattr(error, "show") else typer.echo(f"Error: {error}", err=True)
        return getattr(error, "exit_code", 2)
    except typer.Abort:
        return 130
    except RouterError as error:
        report.current().error(error)
        return error.status
    except OSError as error:
        if error.filename is None:  # not about a file that was named
            raise
        report.current().error(RouterError(f"{error.filename}: {error.strerror}"))
        return Unavailable.status if error.errno in _OF_THE_DISK else RouterError.status
    return status if isinstance(status, int) else 0
