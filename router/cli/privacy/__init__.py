"""`router privacy`: personal data in events. One file per sub-command."""

from __future__ import annotations

import typer

from router.cli.privacy import scan

app = typer.Typer(help="Find personal data in events.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Find personal data in events."""


app.command("scan")(scan.command)
