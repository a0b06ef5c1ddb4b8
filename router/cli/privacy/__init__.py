"""`router privacy`: personal data in events, and the keys that it is encrypted with. One file per sub-command."""

from __future__ import annotations

import typer

from router.cli.privacy import decrypt, key, scan

app = typer.Typer(help="Find personal data in events, and decrypt what was encrypted.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Find personal data in events, and decrypt what was encrypted."""


app.command("scan")(scan.command)
app.command("key")(key.command)
app.command("decrypt")(decrypt.command)
