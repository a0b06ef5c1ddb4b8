"""A real Kafka from the public image, through testcontainers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAGE = "apache/kafka:4.1.1"
START_SECONDS = 120


def missing() -> str | None:
    """Why no container can be started here, or None."""
    try:
        import docker  # type: ignore[import-untyped]
        from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
        from docker.utils import parse_host  # type: ignore[import-untyped]
    except ImportError as error:
        return f"{error.name} is not installed"
    try:
        host = parse_host(os.environ.get("DOCKER_HOST"))
        if reason := _unreachable(host):
            return f"no Docker engine answers: {reason}"
        client = docker.from_env()
    except (DockerException, OSError) as error:
        return f"no Docker engine answers: {error}"
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        try:
            client.images.pull(*IMAGE.split(":"))
        except (DockerException, OSError) as error:
            return f"the image {IMAGE} is neither here nor to be pulled: {error}"
    finally:
        client.close()
    return None


def _unreachable(host: str) -> str | None:
    """Why nothing listens on a Unix socket. docker-py would leave its own socket open, which warns when collected."""
    scheme, _, path = host.partition("://")
    if scheme != "http+unix":
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            return f"{path}: {error.strerror}"
    return None


@contextmanager
def running() -> Iterator[str]:
    """A broker for the length of the block; gives its bootstrap address."""
    container = _container()
    try:
        yield str(container.start(timeout=START_SECONDS).get_bootstrap_server())
    finally:
        container.stop()
        container.get_docker_client().client.close()


def _container() -> Any:
    """The class is made here because testcontainers reads its environment, and asks the engine, when imported."""
    # The image of its reaper is one more thing to pull; what a killed run leaves behind carries a label instead.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    if Path("/.dockerenv").exists():  # inside a container with an engine of its own: ports are published on loopback
        os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    from testcontainers.community.kafka import KafkaContainer

    class ApacheKafka(KafkaContainer):
        """KafkaContainer starts Confluent's scripts; this image has its own, which takes the same variables."""

        MIN_KRAFT_TAG = "3.7.0"

        def tc_start(self) -> None:
            outside = f"{self.listener_name}://{self.get_bootstrap_server()}"
            lines = (
                f"export KAFKA_ADVERTISED_LISTENERS={outside},BROKER://$(hostname -i):9092",
                "exec /etc/kafka/docker/run",
            )
            self.create_file("\n".join(lines).encode(), self.TC_START_SCRIPT)

    kafka = ApacheKafka(IMAGE).with_kraft()
    for topic in ("TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC"):
        kafka.with_env(f"KAFKA_{topic}_REPLICATION_FACTOR", "1").with_env(f"KAFKA_{topic}_MIN_ISR", "1")
    return kafka.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
