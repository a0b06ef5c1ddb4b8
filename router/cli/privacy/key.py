"""`router privacy key`: a new key for `privacy.key`, as a line of a key file."""

from __future__ import annotations

from typing import Annotated

import typer

from router.errors import UsageError


def command(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Key id, which stands in every text of this key, such as 2026-01.")
    ],
) -> None:
    """Print a new key: put the line into a file that only the router may read, the newest key on top.

    Texts of a key decrypt for as long as its line is in the file.
    """
    from router.privacy.encryption import new_key

    try:
        typer.echo(new_key(name))
    except ValueError as error:
        raise UsageError(str(error)) from error
