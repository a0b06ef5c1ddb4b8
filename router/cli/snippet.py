"""`router snippet`: what to paste into a page or a program so that it sends to a source."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli.loading import load, only_topology
from router.cli.options import TopologyOption, with_run_options
from router.config.models import SourceConfig
from router.config.options import RunOptions
from router.errors import UsageError
from router.gateway.snippets import SnippetKind, snippet


@with_run_options("env_file")
def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the topology, with a write key.")],
    kind: Annotated[SnippetKind, typer.Option("--for", help="What it is for.")] = "web",
    url: Annotated[
        str, typer.Option(help="Where the gateway is reached; left out: gateway.public_url, or this machine.")
    ] = "",
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    *,
    options: RunOptions,
) -> None:
    """Print what to paste so that a web page, a program or an app sends to a source, with its write key.

    For web pages the gateway serves the browser library too: see gateway.analytics_js.
    """
    loaded = load(topology or only_topology(), options).topology
    config = loaded.sources.get(source)
    if config is None or not config.write_keys:
        raise UsageError(f"expected a source with write_keys ({_with_keys(loaded.sources)}), got {source}")
    address = (url or loaded.gateway.public_url or "http://127.0.0.1:8080").rstrip("/")
    text = snippet(kind, config.write_keys[0].get_secret_value(), address)
    if kind == "web" and loaded.gateway.analytics_js is None:
        typer.echo("gateway.analytics_js names no browser library: this gateway will have none to serve", err=True)
    typer.echo(text, nl=False)


def _with_keys(sources: dict[str, SourceConfig]) -> str:
    return ", ".join(name for name, source in sources.items() if source.write_keys) or "there is none"
