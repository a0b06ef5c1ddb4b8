"""`router plan new`: a plan's folder from templates of the published specs and of use cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import report
from router.cli.options import Json
from router.cli.report import counted

if TYPE_CHECKING:
    from router.plan_tools.templates import Template


def command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder to write.", show_default=False)
    ] = None,
    templates: Annotated[
        list[str], typer.Option("--template", metavar="NAME", help="A template; repeatable, several are combined.")
    ] = [],  # noqa: B006  typer copies it
    name: Annotated[str, typer.Option("--name", help="Name of the plan; default: the folder's.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List the templates and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing plan.")] = False,
    as_json: Json = False,
) -> None:
    """Create a tracking plan from templates."""
    from router.errors import UsageError

    if listed:
        if folder or templates:
            raise UsageError("expected --list alone, got a folder or a template beside it")
        _list(as_json)
    elif folder is None:
        raise UsageError("expected the folder to write (router plan new DIR --template NAME), or --list")
    elif not templates:
        raise UsageError("expected --template NAME (`router plan new --list` shows them), got none")
    else:
        _write(folder, templates, name, force=force, as_json=as_json)


def _write(folder: Path, templates: list[str], name: str, *, force: bool, as_json: bool) -> None:
    from router.plan_tools.store import store
    from router.plan_tools.templates import compose

    plan = compose(templates, name.strip() or folder.resolve().name or "plan")
    written = store(plan, folder, force=force)
    if as_json:
        answer = {"plan": str(folder), "templates": templates, "rules": len(plan.rules), "files": len(written)}
        report.current().answer(answer)
        return
    counts = f"{counted(len(plan.rules), 'rule')} in {counted(len(written), 'file')}"
    typer.echo(f"{folder}: {counts}, from {', '.join(templates)}")


def _list(as_json: bool) -> None:
    from router.plan_tools.templates import library

    templates = list(library().templates.values())
    if as_json:
        report.current().answer({"templates": [template.as_dict() for template in templates]})
        return
    shown = [template for template in templates if not template.goal or template.name.count("/") > 1]
    width = max(len(template.name) for template in shown)
    goal = ""
    for template in shown:
        if template.goal != goal:
            goal = template.goal
            typer.echo(f"\n{goal}")
        typer.echo(f"  {template.name:{width}}  {_events(template)}")
    typer.echo("\nA use case without its goal (use-case/NAME) is for all the goals that it serves.")


def _events(template: Template) -> str:
    if template.goal:
        return ", ".join(template.needs)
    return f"{counted(len(template.events), 'event')}. {template.description}"
