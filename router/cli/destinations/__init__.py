"""`router destinations`: the destination types, and the destinations of a topology. One file per sub-command."""

from __future__ import annotations

import typer

from router.cli.destinations import checking, listing, pausing, trying

app = typer.Typer(help="List the destination types, try events on destinations, check their credentials, pause them.")
app.callback(invoke_without_command=True)(listing.command)
app.command("show")(listing.show)
app.command("try")(trying.command)
app.command("check")(checking.command)
app.command("pause")(pausing.pause)
app.command("resume")(pausing.resume)
