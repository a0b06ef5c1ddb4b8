"""Loading a topology: what is read from where, and that every fault is named with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.types import parse_percent
from router.errors import FileError
from tests.config.topologies import PipeSettings, load, problems, write

MINIMAL = """\
name: shop
sources:
  web: {write_keys: [k]}
destinations:
  out: {type: pipe}
"""


def test_a_minimal_topology_has_the_documented_defaults(tmp_path: Path) -> None:
    topology = load(write(tmp_path, "shop.yaml", MINIMAL)).topology

    assert topology.guarantee == "exactly_once"
    assert (topology.topics.prefix, topology.topics.partitions, topology.topics.resolved) == ("", None, True)
    assert topology.dedupe.window == 86400
    assert topology.destinations["out"].sources == ("*",)
    assert topology.destinations["out"].enabled
    assert topology.sources["web"].write_keys[0].get_secret_value() == "k"


def test_the_example_of_the_public_surface_loads(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "shop.yaml",
        """\
        name: shop
        guarantee: exactly_once
        default_source: web
        topics: {prefix: "", partitions: 12, resolved: true}
        defaults: {source: {description: one of ours}, destination: {delivery: {timeout: 3s}}}
        sources:
          web:
            description: The shop's web site
            write_keys: ["${WEB_WRITE_KEY:-web-dev-key}"]
            enforce: {unplanned_event: block, unplanned_property: omit, violation: block, common: allow,
                      identify: {violation: omit}}
          app-test: {write_keys: [t]}
          app-one: {write_keys: [o]}
          orders: {topics: [orders.events]}
        destinations:
          crm:
            type: pipe
            sources: ["web", "app-*", "!app-test"]
            enabled: true
            types: [identify, track]
            events: [Order Completed]
            settings: {token: "${CRM_SECRET:-dev}", secure: true}
            delivery: {order: profile, batch: {count: 10, bytes: 512KiB, age: 200ms}, concurrency: 8, rate: 500/s}
          lake: {type: pipe, settings: {path: ./out}}
        """,
    )

    loaded = load(path)

    crm = loaded.topology.destinations["crm"]
    assert crm.delivery.batch is not None
    assert (crm.delivery.batch.bytes, crm.delivery.batch.age, crm.delivery.rate) == (512 * 1024, 0.2, 500)
    assert crm.delivery.timeout == 3
    assert loaded.topology.sources["web"].enforce.identify.violation == "omit"
    assert loaded.topology.sources["orders"].description == "one of ours"
    assert loaded.files == (path,)


def test_every_fault_is_reported_at_once_with_its_place(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bad.yaml",
        """\
        name: my_shop
        guarantee: exactly_twice
        default_source: wbe
        topics: {partitions: "12", resolved: yes}
        sources:
          web:
            write_keys: ["${WEB_KEY}", same]
            plan: nope
            enforce: {violation: blok}
          app: {write_keys: [same], topics: [orders, events.raw]}
          app.two: {topics: [orders]}
          partner: {type: webhook}
        destinations:
          crm: {type: pip, typs: []}
          two:
            type: pipe
            types: [identfy]
            events: [a]
            except: [b]
            settings: {port: high, tokn: 1}
            delivery: {timeout: 10, rate: fast, concurrency: 0, batch: {count: 11}}
            target: 0.995
          three: [1]
          four: {}
        """,
    )
    name = "expected a name of at most 48 lower-case letters, digits and hyphens that begins with a letter"

    assert problems(path) == [
        f'bad.yaml:1:7: name: {name}, got "my_shop" (did you mean my-shop?)',
        "bad.yaml:2:12: guarantee: expected exactly_once or at_least_once, "
        'got "exactly_twice" (did you mean exactly_once?)',
        "bad.yaml:3:17: default_source: expected a source, got wbe (did you mean web?)",
        'bad.yaml:4:22: topics.partitions: expected a whole number, got "12"',
        'bad.yaml:4:38: topics.resolved: expected true or false, got "yes"',
        "bad.yaml:7:18: sources.web.write_keys[0]: expected the environment variable WEB_KEY to be set, got nothing",
        "bad.yaml:8:11: sources.web.plan: expected a folder with a tracking plan, got nope, which is none",
        'bad.yaml:9:26: sources.web.enforce.violation: expected allow, omit or block, got "blok" (did you mean block?)',
        "bad.yaml:10:22: sources.app.write_keys[0]: expected a write key of its own, got one that source web has too",
        "bad.yaml:10:46: sources.app.topics[1]: expected a topic of yours, got events.raw, which is the router's own",
        f'bad.yaml:11:3: sources.app.two: {name}, got "app.two" (did you mean app-two?)',
        "bad.yaml:11:22: sources.app.two.topics[0]: expected a topic of its own, got orders, which source app has too",
        "bad.yaml:12:19: sources.partner.type: expected a source type, got webhook (did you mean hook?)",
        'bad.yaml:14:15: destinations.crm.type: expected a destination type, got "pip" (did you mean pipe?)',
        "bad.yaml:14:20: destinations.crm.typs: expected a known key, got typs (did you mean types?)",
        "bad.yaml:17:13: destinations.two.types[0]: "
        'expected identify, track, page, screen, group or alias, got "identfy" (did you mean identify?)',
        "bad.yaml:19:5: destinations.two.except: expected either events or except, got both",
        'bad.yaml:20:22: destinations.two.settings.port: expected a whole number, got "high"',
        "bad.yaml:20:28: destinations.two.settings.tokn: expected a known key, got tokn (did you mean token?)",
        "bad.yaml:21:25: destinations.two.delivery.timeout: expected a value such as 200ms, 10s, 5m or 4h, got 10",
        'bad.yaml:21:35: destinations.two.delivery.rate: expected a value such as 500/s or 1000/m, got "fast"',
        "bad.yaml:21:54: destinations.two.delivery.concurrency: expected at least 1, got 0",
        "bad.yaml:21:72: destinations.two.delivery.batch.count: "
        "expected at most 10, the most that pipe takes in a request, got 11",
        "bad.yaml:22:13: destinations.two.target: "
        "expected a percentage above 0% and below 100% such as 20% or 99.5%, got 0.995",
        "bad.yaml:23:10: destinations.three: expected a mapping, got a list",
        "bad.yaml:24:9: destinations.four.type: expected a value, got nothing",
    ]


@pytest.mark.parametrize(
    ("text", "ratio"), [("99.5%", 0.995), ("0.01 %", 0.0001), ("100%", None), ("0%", None), ("-3%", None), (0.5, None)]
)
def test_a_percentage_has_its_sign_and_its_bounds(text: object, ratio: float | None) -> None:
    if ratio is not None:
        assert parse_percent(text) == pytest.approx(ratio)
        return
    with pytest.raises(ValueError, match=r"expected a percentage above 0% and below 100% such as .*, got"):
        parse_percent(text)


def test_an_unknown_key_without_a_near_one_names_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "t.yaml", MINIMAL + "dedupe: {zzz: 1}\nqqq: 1\n")

    assert problems(path) == [
        "t.yaml:6:10: dedupe.zzz: expected one of window, scope, got zzz",
        "t.yaml:7:1: qqq: expected a known key, got qqq",
    ]


def test_a_window_that_its_store_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "t.yaml", MINIMAL + "dedupe: {window: 120d}\n")

    assert problems(path) == ["t.yaml:6:18: dedupe.window: expected at most 99d, got 120d"]


def test_a_placeholder_that_would_block_every_id_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "t.yaml", 'name: t\nsources: {}\nidentity: {blocked: {add: ["guest-*", "*"]}}\n')

    (problem,) = problems(path)

    assert problem.startswith("t.yaml:3:39: identity.blocked.add[1]: expected a glob with a character besides * and ?")


@pytest.mark.parametrize("text", ["", "[]", "name", "- name: x"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(write(tmp_path, "t.yaml", text))

    assert "expected a mapping" in problem


def test_a_missing_file_and_a_broken_one_are_reported_together(tmp_path: Path) -> None:
    broken = write(tmp_path, "broken.yaml", "name: [")

    found = problems(tmp_path / "none.yaml", broken)

    assert found[0] == "none.yaml: (root): expected a readable file, got No such file or directory"
    assert found[1].startswith("broken.yaml:2:1: (root): expected YAML")


def test_later_files_override_maps_merge_and_lists_replace(tmp_path: Path) -> None:
    base = write(tmp_path, "base.yaml", MINIMAL + "mask: [a, b]\ngateway: {max_in_flight: 5}\n")
    prod = write(
        tmp_path,
        "prod.yaml",
        """\
        sources: {web: {write_keys: [p], description: live}, app: {write_keys: [q]}}
        mask: [c]
        gateway: {cors_origins: ["*"]}
        """,
    )

    loaded = load(base, prod)

    web = loaded.topology.sources["web"]
    assert [key.get_secret_value() for key in web.write_keys] == ["p"]
    assert (web.description, list(loaded.topology.sources)) == ("live", ["web", "app"])
    assert loaded.topology.mask == ("c",)
    assert (loaded.topology.gateway.max_in_flight, loaded.topology.gateway.cors_origins) == (5, ("*",))
    assert loaded.files == (base, prod)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("gateway: {analytics_js: none.js}", "expected the script analytics.js or the folder of its npm package, got "),
        ("gateway: {analytics_js: .}", "which is no folder of @segment/analytics-next"),
        ("gateway: {public_url: events.example}", "expected an origin such as https://shop.example.com, or *, got "),
        ("sources: {web: {origins: [https://a.example/path]}}", "expected an origin such as"),
        ("sources: {web: {origins: [https://*.example]}}", "expected an origin such as"),
    ],
)
def test_what_pages_need_is_checked(tmp_path: Path, extra: str, expected: str) -> None:
    with pytest.raises(FileError, match=re.escape(expected)):
        load(write(tmp_path, "a.yaml", MINIMAL), write(tmp_path, "b.yaml", extra))


def test_the_library_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "package/dist/umd").mkdir(parents=True)
    (tmp_path / "package/dist/umd/standalone.js").write_text("")
    loaded = load(write(tmp_path, "a.yaml", MINIMAL + "gateway: {analytics_js: package}\n"))

    assert loaded.topology.gateway.analytics_js == tmp_path / "package/dist/umd/standalone.js"


def test_a_fault_is_reported_in_the_file_it_stands_in(tmp_path: Path) -> None:
    base = write(tmp_path, "base.yaml", MINIMAL)
    prod = write(tmp_path, "prod.yaml", "destinations:\n  out: {enabled: 1}\n")

    assert problems(base, prod) == ["prod.yaml:2:18: destinations.out.enabled: expected true or false, got 1"]


def test_a_fault_in_defaults_is_reported_once_where_it_stands(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        """\
        name: t
        defaults: {source: {enabld: true}, sorce: {}}
        sources: {a: {}, b: {}}
        """,
    )

    assert problems(path) == ["t.yaml:2:36: defaults.sorce: expected a known key, got sorce (did you mean source?)"]

    path = write(tmp_path, "u.yaml", path.read_text().replace(", sorce: {}", ""))
    assert problems(path) == [
        "u.yaml:2:21: defaults.source.enabld: expected a known key, got enabld (did you mean enabled?)"
    ]


def test_what_a_part_says_itself_wins_over_defaults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        """\
        name: t
        defaults: {destination: {type: pipe, enabled: false, delivery: {concurrency: 3, timeout: 1s}}}
        sources: {}
        destinations: {a: {}, b: {enabled: true, delivery: {timeout: 9s}}}
        """,
    )

    destinations = load(path).topology.destinations

    assert (destinations["a"].enabled, destinations["a"].delivery.timeout) == (False, 1)
    assert (destinations["b"].enabled, destinations["b"].delivery.timeout) == (True, 9)
    assert destinations["b"].delivery.concurrency == 3


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a/t.yaml",
        """\
        name: t
        sources: {}
        destinations: {lake: {type: pipe, settings: {path: ../out}}}
        """,
    )

    settings = load(path).connector_settings["lake"]

    assert isinstance(settings, PipeSettings)
    assert settings.path == tmp_path / "out"


def test_settings_of_every_destination_are_validated_also_where_none_are_given(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "shop.yaml", MINIMAL))

    assert loaded.connector_settings == {"out": PipeSettings()}


def test_a_topology_never_shows_a_secret_when_it_is_printed(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.yaml",
        """\
        name: t
        sources: {web: {write_keys: [hush-1]}}
        destinations: {out: {type: pipe, settings: {token: hush-2}}}
        """,
    )

    loaded = load(path)

    assert "hush" not in repr(loaded)
    assert "hush" not in str(loaded.topology)


def test_loading_raises_a_file_error_that_ends_a_command_with_status_1(tmp_path: Path) -> None:
    with pytest.raises(FileError) as raised:
        load(write(tmp_path, "t.yaml", "{}"))

    assert raised.value.status == 1
    assert [problem.path for problem in raised.value.problems] == ["name", "sources"]
