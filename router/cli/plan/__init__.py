"""`router plan`: everything one does with tracking plans. One file per sub-command."""

from __future__ import annotations

import typer

from router.cli.plan import check, diff, export, importing, infer, lint, new, test, types

app = typer.Typer(
    name="plan",
    help="Work with tracking plans: lint, test and check events against them.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)
for _command in (lint.command, test.command, check.command, new.command):
    app.command(_command.__module__.rpartition(".")[2])(_command)
app.command("import")(importing.command)
app.command("export")(export.command)
app.command("diff")(diff.command)
app.command("infer")(infer.command)
app.command("types")(types.command)
