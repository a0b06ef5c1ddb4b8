"""`${…}`: replaced inside scalars after parsing, then typed; secrets never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.topologies import PipeSettings, load, problems, write


def settings(folder: Path, text: str, env: dict[str, str] | None = None, *, placeholders: bool = False) -> PipeSettings:
    path = write(folder, "t.yaml", f"name: t\nsources: {{}}\ndestinations: {{d: {{type: pipe, settings: {text}}}}}\n")
    found = load(path, env=env, placeholders=placeholders).connector_settings["d"]
    assert isinstance(found, PipeSettings)
    return found


def token(folder: Path, text: str, env: dict[str, str] | None = None) -> str:
    secret = settings(folder, f"{{token: {text}}}", env).token
    assert secret is not None
    return secret.get_secret_value()


def test_a_whole_value_becomes_what_yaml_would_read(tmp_path: Path) -> None:
    found = settings(tmp_path, '{port: "${PORT}", secure: "${TLS:-true}"}', {"PORT": "8080"})

    assert (found.port, found.secure) == (8080, True)


@pytest.mark.parametrize("value", ["007", "true", "1e3", "0x1f", "1.50", "12345678901234567890"])
def test_a_text_keeps_the_very_characters_of_the_environment(tmp_path: Path, value: str) -> None:
    assert token(tmp_path, '"${TOKEN}"', {"TOKEN": value}) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a-${X}-b"', "a-x-b"),
        ('"${X}${X}"', "xx"),
        ('"${Y:-d}"', "d"),
        ('"${E:-d}"', "d"),
        ('"${Y:-}x"', "x"),
        ('"${Y:-http://h:1/p?q=1}"', "http://h:1/p?q=1"),
        ('"$${X}"', "${X}"),
        ('"$${X} ${X}"', "${X} x"),
        ('"$X $"', "$X $"),
        ('"price: $$5"', "price: $$5"),
    ],
)
def test_references_are_replaced_and_all_else_is_kept(tmp_path: Path, text: str, expected: str) -> None:
    assert token(tmp_path, text, {"X": "x", "E": ""}) == expected


def test_a_variable_that_is_set_but_empty_is_nothing_or_an_empty_text(tmp_path: Path) -> None:
    path = write(tmp_path, "e.yaml", 'name: t\nsources: {}\ndescription: "${E}"\n')

    assert settings(tmp_path, '{token: "${E}"}', {"E": ""}).token is None
    assert load(path, env={"E": ""}).topology.description == ""


def test_what_a_variable_holds_is_not_substituted_again(tmp_path: Path) -> None:
    assert token(tmp_path, '"${X}"', {"X": "${Y}"}) == "${Y}"


def test_a_secret_is_read_from_its_file_without_the_last_newline(tmp_path: Path) -> None:
    write(tmp_path, "secrets/token", "s3\n")

    assert token(tmp_path, f'"${{file:{tmp_path}/secrets/token}}"') == "s3"
    assert token(tmp_path, '"${file:secrets/token}"') == "s3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"${PROT}"', "expected the environment variable PROT to be set, got nothing (did you mean PORT?)"),
        ('"${file:/none}"', "expected a readable file /none, got No such file or directory"),
        ('"${PORT"', "expected ${NAME}, ${NAME:-default}, ${file:PATH} or $${ for a literal, got another form"),
        ('"${PORT-1}"', "expected ${NAME}, ${NAME:-default}, ${file:PATH} or $${ for a literal, got another form"),
        ('"${}"', "expected ${NAME}, ${NAME:-default}, ${file:PATH} or $${ for a literal, got another form"),
        ('"a\\0b"', "expected text without the character U+0000, got one"),
        ('"${file:a\\0b}"', "expected text without the character U+0000, got one"),
        ('"${file:nul}"', "expected text in nul, got the character U+0000"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_problem_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, "t.yaml", f"name: t\nsources: {{}}\ndescription: {text}\n")
    write(tmp_path, "nul", "a\0b")

    assert problems(path, env={"PORT": "1"}) == [f"t.yaml:3:14: description: {expected}"]


@pytest.mark.parametrize("setting", ["port", "secure", "token", "linger"])
def test_what_comes_from_the_environment_is_never_shown(tmp_path: Path, setting: str) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        f"""\
        name: t
        guarantee: "${{HUSH}}"
        sources: {{}}
        destinations: {{d: {{type: pipe, settings: {{{setting}: ["${{HUSH}}"]}}, enabled: "${{HUSH}}"}}}}
        topics: {{raw_retention: "x${{HUSH}}"}}
        """,
    )

    found = problems(path, env={"HUSH": "verysecret"})

    assert len(found) == 4
    assert all("got" in problem for problem in found)
    assert "verysecret" not in "\n".join(found)


def test_a_secret_that_stands_in_the_file_is_not_shown_either(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        """\
        name: t
        sources: {web: {write_keys: [4711]}}
        destinations: {d: {type: pipe, settings: {token: 4712}}}
        """,
    )

    assert problems(path) == [
        "t.yaml:2:30: sources.web.write_keys[0]: expected a text, got a value that is not shown",
        "t.yaml:3:50: destinations.d.settings.token: expected a text, got a value that is not shown",
    ]


def test_placeholders_take_on_the_kind_their_field_asks_for(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        '{port: "${PORT}", secure: "${TLS}", token: "${TOKEN}", linger: "${LINGER}", path: "${file:/run/secrets/p}"}',
        placeholders=True,
    )

    assert found.token is not None
    assert found.token.get_secret_value() == "placeholder-token"
    assert isinstance(found.port, int)
    assert isinstance(found.secure, bool)
    assert found.linger > 0


def test_placeholders_ignore_the_environment_and_take_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path, '{port: "${PORT:-5}"}', {"PORT": "7"}, placeholders=True)

    assert found.port == 5


def test_placeholders_do_not_hide_other_faults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        'name: t\nsources: {}\ndestinations: {d: {type: pipe, settings: {port: "${PORT}", secure: 3}}}\n',
    )

    assert problems(path, placeholders=True) == [
        "t.yaml:3:68: destinations.d.settings.secure: expected true or false, got 3"
    ]


def test_a_path_with_the_character_of_no_path_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "t.yaml", 'name: t\nsources: {web: {plan: "a\\0b"}}\n')
    assert "t.yaml:2:23: sources.web.plan: expected text without the character U+0000, got one" in problems(path)
