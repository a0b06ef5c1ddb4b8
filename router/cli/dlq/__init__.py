"""`router dlq`: why events were given up, by destination and reason, and how to send them again. One file a command."""

from __future__ import annotations

import typer

from router.cli.dlq import listing, purge, redrive, show

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.command("list")(listing.command)
app.command("show")(show.command)
app.command("redrive")(redrive.command)
app.command("purge")(purge.command)


@app.callback()
def _group() -> None:
    """Dead letters: events that a partner refused for good, or that failed for the whole retry budget."""
