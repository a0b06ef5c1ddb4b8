"""Brokers as fixtures. With CI=true a `kafka`, `containers` or `postgres` test that is skipped has failed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from ops.kafka import kraft as kraft_jars
from ops.kafka.kraft import KraftBroker
from ops.world import World
from router.embedded.broker import EmbeddedBroker
from tests import browser
from tests.brokers import choice, container
from tests.scheduler import ByFile, late
from tests.warehouse import cluster

REAL = ("kafka", "kraft")
LETTERS = "ghjkmnpqrtvwxz"  # neither words nor numbers come of these: tests look for what must not be said

# A shell starts `nohup ./ops/test &` with these ignored, and what is ignored stays so in every process that a test
# starts. What has a handler is default there, and this process is no less shielded.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

# A loaded machine is no finding: no test asserts how long an example takes.
settings.register_profile("router", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# That a test fails is all that ops/mutants asks: looking for the smallest example would take it minutes each time.
settings.register_profile("mutants", settings.get_profile("router"), phases=set(Phase) - {Phase.shrink, Phase.explain})
settings.load_profile(os.environ.get("ROUTER_TEST_PROFILE", "router"))


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """An embedded broker without topics, shared by the session: name topics by `unique`."""
    with EmbeddedBroker() as broker:
        broker.start()
        yield broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of a real Kafka, shared by the session: name topics and groups by `unique`."""
    if reason := choice.missing():
        pytest.skip(reason)
    with choice.real_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="module")
def kraft() -> Iterator[KraftBroker]:
    """A real Kafka of the module's own, to kill and restart."""
    if reason := kraft_jars.missing():
        pytest.skip(reason)
    with KraftBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_container() -> Iterator[str]:
    """Bootstrap address of a real Kafka in a container."""
    if reason := container.missing():
        pytest.skip(reason)
    with container.running() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server, shared by the session: the folder of its socket. Its superuser is postgres, hush-4711."""
    if reason := cluster.missing():
        pytest.skip(reason)
    with cluster.running() as folder:
        yield folder


@pytest.fixture
def database(postgres: str, unique: str) -> Iterator[str]:
    """The URL of an empty database, whose owner has its name and the password hush-4711; both go afterwards."""
    import psycopg  # an extra

    admin = f"postgresql://postgres:hush-4711@/postgres?host={postgres}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {unique} LOGIN PASSWORD 'hush-4711'".encode())
        connection.execute(f"CREATE DATABASE {unique} OWNER {unique}".encode())
        yield f"postgresql://{unique}@/{unique}?host={postgres}"
        connection.execute(f"DROP DATABASE {unique} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {unique}".encode())


@pytest.fixture
def world(kafka: str, unique: str, tmp_path: Path) -> Iterator[World]:
    """A small topology on the real Kafka; its topics are not yet made."""
    world = World(tmp_path, unique, kafka)
    yield world
    world.close()


@pytest.fixture(scope="session")
def chromium() -> tuple[str, ...]:
    """The command that starts Debian's browser: headless, without requests of its own."""
    return (browser.found(), *browser.QUIET)


@pytest.fixture
def unique() -> str:
    """A name no other test has, good for topologies, topics and groups."""
    return "t" + "".join(secrets.choice(LETTERS) for _ in range(8))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if any(name in fixtures for name in REAL):
            item.add_marker("kafka")
        if "kafka_container" in fixtures:
            item.add_marker("containers")
        if "database" in fixtures:
            item.add_marker("postgres")
        if item.get_closest_marker("git") and shutil.which("git") is None:
            item.add_marker(pytest.mark.skip(reason="git is not installed"))
    items.sort(key=lambda item: late(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    required = any(item.get_closest_marker(name) for name in ("kafka", "containers", "postgres"))
    if report.skipped and required and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
