"""Options that several commands share, spelled once."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli import report
from router.cli.findings import DiagnosticFormat
from router.config.options import EMBEDDED, GATEWAY, METRICS, STATE, RunOptions, from_supervisor, parse_address
from router.kafka.cluster import parse_overrides

_GATEWAY = "{}:{}".format(*GATEWAY)
METRICS_ADDRESS = "{}:{}".format(*METRICS)


def _choose_json(value: bool) -> bool:
    report.current().as_json |= value
    return value


def _choose_format(value: DiagnosticFormat) -> DiagnosticFormat:
    report.current().form = value
    report.current().as_json |= value == "json"
    return value


Topologies = Annotated[
    list[Path],
    typer.Argument(
        metavar="TOPOLOGY", help="Topology files; later ones override earlier ones (maps merge, lists replace)."
    ),
]
TopologyOption = Annotated[
    list[Path],
    typer.Option("--topology", metavar="TOPOLOGY", help="Topology file; default: the only one in topologies/."),
]
PlanFolder = Annotated[Path, typer.Argument(metavar="PLAN", help="Folder of the tracking plan.")]
Bootstrap = Annotated[
    str, typer.Option("--bootstrap", metavar="HOST:PORT,...", help="Kafka brokers; default: an embedded broker.")
]
Gateway = Annotated[str, typer.Option("--gateway", metavar="HOST:PORT", help="Address of the HTTP gateway.")]
Metrics = Annotated[
    str, typer.Option("--metrics", metavar="HOST:PORT", help="Address of the metrics and health pages.")
]
State = Annotated[
    Path, typer.Option("--state", metavar="DIR", help="Folder for the state of route workers and delivery.")
]
Workers = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="N|auto",
        help="Number of route workers, each a process; auto: one for each core, but no more than partitions.",
    ),
]
Kafka = Annotated[
    list[str],
    typer.Option(
        "--kafka", metavar="KEY=VALUE", help="A librdkafka setting, such as security.protocol=SSL; repeatable."
    ),
]
EnvFile = Annotated[
    Path | None,
    typer.Option("--env-file", metavar="FILE", help="File of KEY=VALUE lines; environment variables override it."),
]
Json = Annotated[bool, typer.Option("--json", callback=_choose_json, help="Print the result as JSON on stdout.")]

Format = Annotated[
    DiagnosticFormat,
    typer.Option(
        "--format",
        callback=_choose_format,
        help="How findings are shown: text; json, as --json; github, annotations of a workflow; sarif, a document.",
    ),
]


def _shared(
    bootstrap: Bootstrap = "",
    gateway: Gateway = _GATEWAY,
    metrics: Metrics = METRICS_ADDRESS,
    state: State = STATE,
    kafka: Kafka = [],  # noqa: B006  typer copies it
    env_file: EnvFile = None,
) -> RunOptions:
    """The options of the command line, or those of the supervisor that started this process."""
    return from_supervisor(os.environ) or RunOptions(
        bootstrap=bootstrap,
        embedded=not bootstrap or os.environ.get(EMBEDDED) == "1",
        kafka=parse_overrides(kafka),
        state=state.absolute(),
        gateway=parse_address(gateway),
        metrics=parse_address(metrics),
        env_file=env_file.absolute() if env_file else None,
    )


def with_run_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared options (all, or those named) and hand them over as its keyword `options`.

    `@with_run_options() def command(topologies: Topologies, *, options: RunOptions) -> None` has all of them;
    `@with_run_options("bootstrap", "kafka", "env_file")` has three, the rest of RunOptions keeps its defaults.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shared = inspect.signature(_shared, eval_str=True).parameters
        chosen = {name: shared[name] for name in names} if names else dict(shared)
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "options"]
        defaults = {name: parameter.default for name, parameter in shared.items()}

        @wraps(command)
        def wrapper(**given: Any) -> None:
            values = defaults | {name: given.pop(name) for name in chosen}
            command(**given, options=_shared(**values))

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *chosen.values())]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate
