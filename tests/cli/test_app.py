"""The command line as a whole: what it knows, how it fails, where options come from."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer

from router import __version__
from router.cli import app, report
from router.cli.options import Json, Topologies, with_run_options
from router.config.options import RunOptions
from router.errors import FileError, Problem, RouterError, Unavailable
from router.native.library import native
from tests.cli.lines import Line


def install(monkeypatch: pytest.MonkeyPatch, command: object) -> None:
    """Make `router probe` run this command."""
    module = types.ModuleType("probe_of_tests")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "probe_of_tests", module)
    monkeypatch.setitem(app.COMMANDS, "probe", ("probe_of_tests", "For tests"))


def test_help_names_every_command_and_imports_none() -> None:
    code = (
        "import sys, router.cli\n"
        "router.cli.main(['--help'])\n"
        "heavy = {'pydantic', 'confluent_kafka', 'aiohttp', 'rocksdict', 'jsonschema', 'router.config.loader'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    for name, (_, summary) in app.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert summary in done.stdout


@pytest.mark.parametrize("name", list(app.COMMANDS))
def test_every_command_of_the_table_is_there_and_has_help(line: Line, name: str) -> None:
    ended = line(name, "--help")

    assert ended.status == 0
    assert ended.out.startswith(f"Usage: router {name} ")


@pytest.mark.parametrize("name", list(app.COMMANDS))
def test_every_option_is_an_environment_variable_too(name: str) -> None:
    commands = [app.load(name)]
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                longest = max(parameter.opts, key=len).lstrip("-")
                assert parameter.envvar == "ROUTER_" + longest.replace("-", "_").upper()


def test_the_version_is_the_packages(line: Line) -> None:
    assert line("--version").out == f"event-router {__version__}\nnative library: {native()}\n"


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "router", "--version"], capture_output=True, text=True, timeout=300, check=True
    )

    assert done.stdout.splitlines()[0] == f"event-router {__version__}"


@pytest.mark.parametrize("arguments", [[], ["chek"], ["check"], ["check", "--nope", "f"], ["schema", "nope"]])
def test_wrong_usage_ends_with_status_2_and_says_how(line: Line, arguments: list[str]) -> None:
    ended = line(*arguments)

    assert ended.status == 2
    assert "Usage: router" in ended.err
    assert ended.out == ""


def test_a_mistyped_command_names_the_near_ones(line: Line) -> None:
    assert "Did you mean 'check'" in line("chek").err


@pytest.mark.parametrize(("error", "status"), [(RouterError("wrong"), 1), (Unavailable("gone"), 3)])
def test_an_error_made_on_purpose_is_a_message_and_a_status(
    line: Line, monkeypatch: pytest.MonkeyPatch, error: RouterError, status: int
) -> None:
    def command() -> None:
        raise error

    install(monkeypatch, command)

    ended = line("probe")

    assert (ended.status, ended.out, ended.err) == (status, "", f"Error: {error}\n")


def test_problems_are_lines_on_stderr_or_objects_on_stdout(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(as_json: Json = False) -> None:
        raise FileError([Problem("f.yaml", 1, 2, "a.b", "expected x, got y", "z")])

    install(monkeypatch, command)

    assert line("probe").err == "f.yaml:1:2: a.b: expected x, got y (did you mean z?)\n"
    ended = line("probe", "--json")
    assert (ended.status, ended.err) == (1, "")
    assert ended.answer["errors"] == [
        {"file": "f.yaml", "line": 1, "column": 2, "path": "a.b", "message": "expected x, got y", "hint": "z"}
    ]


@pytest.mark.parametrize(
    ("code", "status"), [(errno.ENAMETOOLONG, 1), (errno.EACCES, 1), (errno.ENOSPC, 3), (errno.EIO, 3)]
)
def test_a_file_that_cannot_be_used_is_named(
    line: Line, monkeypatch: pytest.MonkeyPatch, code: int, status: int
) -> None:
    def command() -> None:
        raise OSError(code, os.strerror(code), "rows.csv")

    install(monkeypatch, command)

    ended = line("probe")

    assert (ended.status, ended.err) == (status, f"Error: rows.csv: {os.strerror(code)}\n")


def test_a_name_longer_than_names_may_be_is_an_error_of_the_input(line: Line) -> None:
    ended = line("import", "a" * 300, "--source", "web", "--guess")
    assert (ended.status, "File name too long" in ended.err) == (1, True)


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(errno.EIO, "of no file")])
def test_a_bug_keeps_its_traceback(line: Line, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def command() -> None:
        raise error

    install(monkeypatch, command)

    with pytest.raises(type(error)):
        line("probe")


def test_a_command_may_end_with_a_status_of_its_own(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise typer.Exit(1)

    install(monkeypatch, command)

    assert line("probe").status == 1


def test_ctrl_c_ends_with_status_130(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    install(monkeypatch, command)

    assert line("probe").status == 130


def shared_options(
    monkeypatch: pytest.MonkeyPatch, line: Line, *arguments: object, names: tuple[str, ...] = ()
) -> RunOptions:
    found: list[RunOptions] = []

    @with_run_options(*names)
    def command(topologies: Topologies, *, options: RunOptions) -> None:
        """Keep the options."""
        found.append(options)

    install(monkeypatch, command)
    ended = line("probe", "shop.yaml", *arguments)
    assert ended.status == 0, ended.err
    return found[0]


def test_shared_options_have_the_documented_defaults(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    options = shared_options(monkeypatch, line)

    assert (options.bootstrap, options.embedded) == ("", True)
    assert (options.gateway, options.metrics) == (("127.0.0.1", 8080), ("127.0.0.1", 9464))
    assert (options.kafka, options.env_file) == ({}, None)
    assert options.state.is_absolute()


def test_shared_options_are_read_from_the_command_line(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    options = shared_options(
        monkeypatch,
        line,
        *("--bootstrap", "a:1,b:2", "--gateway", ":81", "--metrics", "h:82", "--state", "/s", "--env-file", "/e"),
        *("--kafka", "security.protocol=SSL", "--kafka", "client.rack=r 1"),
    )

    assert options == RunOptions(
        bootstrap="a:1,b:2",
        embedded=False,
        kafka={"security.protocol": "SSL", "client.rack": "r 1"},
        state=Path("/s"),
        gateway=("0.0.0.0", 81),
        metrics=("h", 82),
        env_file=Path("/e"),
    )


def test_shared_options_are_read_from_the_environment_and_the_command_line_wins(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUTER_BOOTSTRAP", "env:1")
    monkeypatch.setenv("ROUTER_METRICS", "env:2")
    monkeypatch.setenv("ROUTER_KAFKA", "client.rack=a  security.protocol=SSL")

    options = shared_options(monkeypatch, line, "--metrics", "typed:3")

    assert (options.bootstrap, options.metrics) == ("env:1", ("typed", 3))
    assert options.kafka == {"client.rack": "a", "security.protocol": "SSL"}


def test_a_command_may_take_some_of_the_shared_options(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    options = shared_options(monkeypatch, line, "--bootstrap", "a:1", names=("bootstrap",))

    assert (options.bootstrap, options.gateway) == ("a:1", ("127.0.0.1", 8080))
    assert line("probe", "shop.yaml", "--gateway", ":1").status == 2


@pytest.mark.parametrize("arguments", [["--gateway", "nonsense"], ["--kafka", "novalue"]])
def test_an_option_of_the_wrong_form_is_wrong_usage(
    line: Line, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    @with_run_options()
    def command(*, options: RunOptions) -> None:
        raise AssertionError(options)

    install(monkeypatch, command)

    ended = line("probe", *arguments)

    assert ended.status == 2
    assert "expected" in ended.err


def test_a_report_belongs_to_one_command_line(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(as_json: Json = False) -> None:
        typer.echo(str(report.current().as_json))

    install(monkeypatch, command)

    assert [line("probe", "--json").out, line("probe").out] == ["True\n", "False\n"]
