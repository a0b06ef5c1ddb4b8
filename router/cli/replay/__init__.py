"""`router replay`: events that were routed before to chosen destinations once more. One file a command."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from router.cli.replay import control, listing, run


class ReplayGroup(TyperGroup):
    """A command of its own beside its sub-commands, whose `--to` takes several names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, each_named(args))

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage("router replay", "--to DEST... --since TIME [OPTIONS]")
        formatter.write_usage("router replay", "list | show ID | stop ID | resume ID")


def each_named(args: list[str]) -> list[str]:
    """`--to crm ads` as `--to crm --to ads`."""
    made: list[str] = []
    taking = False
    for arg in args:
        if arg == "--to":
            taking = True
        elif arg.startswith("-"):
            taking = False
            made.append(arg)
        else:
            made += ["--to", arg] if taking else [arg]
    return made if not args or args[-1] != "--to" else [*made, "--to"]


app = typer.Typer(
    cls=ReplayGroup, invoke_without_command=True, no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
app.callback()(run.command)
app.command("list")(listing.list_command)
app.command("show")(listing.show_command)
app.command("stop")(control.stop_command)
app.command("resume")(control.resume_command)
