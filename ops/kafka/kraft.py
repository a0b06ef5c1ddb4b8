"""One real Kafka broker on loopback ports, from the jars that `ops/kafka/fetch` copies; for tests and benches.

Run alone (`python ops/kafka/kraft.py`) it prints the bootstrap address and serves until Ctrl-C. kill -9 of the broker
loses nothing it acknowledged: records sit in the page cache, which only a loss of power takes away.
"""

from __future__ import annotations

import argparse
import base64
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

HERE = Path(__file__).resolve().parent
LEAST_JAVA = 17  # for a broker of Kafka 4
READY_TOPIC = "ready-check"
READY_SECONDS = 60.0
STOP_SECONDS = 30.0
# Below the range from which systems take ports of outgoing connections: a client that keeps trying the port of a
# killed broker could otherwise be given that very port and connect to itself.
PORTS = range(20_000, 32_000)
TEST_JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
BENCH_JVM = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")

# The defaults are made for clusters: 50 partitions for each internal topic cost seconds at every start.
SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A killed broker may register again only when its last session is over: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
}


class KraftError(Exception):
    """The broker cannot be started; the text says why and ends with the tail of its log."""


def missing() -> str | None:
    """Why no broker can be started here (no Java that runs Kafka; neither jars nor Maven), or None."""
    java = shutil.which("java")
    if java is None:
        return "java is not installed"
    if (version := java_version(java)) < LEAST_JAVA:
        return f"java is version {version}, older than {LEAST_JAVA}" if version else f"{java} does not run"
    if shutil.which("mvn") is None and not any((HERE.parent.parent / ".cache").glob("kafka-*/libs/kafka_*.jar")):
        return "Kafka's jars are not in .cache and mvn is not installed"
    return None


@cache
def java_version(java: str) -> int:
    """The major version of this Java; 0 where the command does not run one, as macOS's does without a JDK."""
    ran = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', ran.stderr)
    return int(found[1]) if found and ran.returncode == 0 else 0


def jars() -> Path:
    """The folder of the jars, fetched when it is not there yet. Raises KraftError."""
    fetched = subprocess.run([str(HERE / "fetch")], capture_output=True, text=True, check=False)
    if fetched.returncode:
        raise KraftError(
            f"ops/kafka/fetch ended with {fetched.returncode}: {fetched.stderr[-2000:] or fetched.stdout[-2000:]}"
        )
    return Path(fetched.stdout.strip().splitlines()[-1])


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class KraftBroker:
    """One broker and its data folder. `kill` then `start` is a crash and a restart on the same data and ports.

    The broker dies with the thread that started it where `setpriv` exists (Linux): start it from a main thread.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        jvm: Sequence[str] = TEST_JVM,
    ) -> None:
        """`data`: its folder (made; a temporary one, removed by `close`, when None). `properties` override SETTINGS."""
        self._temporary = data is None
        self.data = data or Path(tempfile.mkdtemp(prefix="kraft-"))
        self.log = self.data / "broker.log"
        self._properties = self.data / "server.properties"
        self._extra = dict(properties or {})
        self._jvm = tuple(jvm)
        self._process: subprocess.Popen[bytes] | None = None
        self.bootstrap = ""

    def start(self, deadline: float = READY_SECONDS) -> str:
        """Start, or start again on the same data; returns when a record can be produced. Raises KraftError."""
        if self.alive:
            raise KraftError("the broker runs already")
        if not self._properties.exists():
            self._format()
        self.bootstrap = self._setting("advertised.listeners").removeprefix("PLAINTEXT://")
        die_with_parent = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*die_with_parent, *self._java("kafka.Kafka"), str(self._properties)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._wait_ready(time.monotonic() + deadline)
        return self.bootstrap

    def stop(self) -> None:
        """Shut down in order (SIGTERM), by force after 30 s; the data stays."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """kill -9 of the Java process itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> str:
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop, and remove the data if it is in a temporary folder."""
        if self._temporary:
            self.kill()
            shutil.rmtree(self.data)
        else:
            self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise KraftError("the broker has not been started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _java(self, main: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        return ["java", *self._jvm, "-Djava.awt.headless=true", logging, "-cp", f"{jars()}/*", main]

    def _format(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        broker, controller = free_port(), free_port()
        settings = {
            **SETTINGS,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
            "log.dirs": str(self.data / "logs"),
            **self._extra,
        }
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        draft = self.data / "format.properties"
        draft.write_text(text)
        command = [*self._java("kafka.tools.StorageTool"), "format", "-g", "-t", cluster_id(), "-c", str(draft)]
        formatted = subprocess.run(command, capture_output=True, text=True, check=False)
        if formatted.returncode:
            raise KraftError(f"format ended with {formatted.returncode}: {formatted.stdout}{formatted.stderr}")
        draft.rename(self._properties)

    def _setting(self, name: str) -> str:
        lines = self._properties.read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))

    def _wait_ready(self, deadline: float) -> None:
        problem = ""
        while time.monotonic() < deadline:
            if not self.alive:
                raise KraftError(
                    f"the broker ended with {self._process and self._process.returncode}\n{self.log_tail()}"
                )
            if self._port_open():
                problem = produce_problem(self.bootstrap)
                if not problem:
                    return
            time.sleep(0.05)
        self.kill()
        raise KraftError(f"the broker was not ready in time: {problem or 'port closed'}\n{self.log_tail()}")

    def _port_open(self) -> bool:
        host, _, port = self.bootstrap.rpartition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True


def cluster_id() -> str:
    """A new one: 22 characters, base64url of 16 random bytes, not beginning with a dash."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text if not text.startswith("-") else cluster_id()


def produce_problem(bootstrap: str, seconds: float = 5.0) -> str:
    """Why a record cannot be produced, or "". An open port is no proof: it opens seconds before."""
    quiet: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, "log_level": 0}
    admin = AdminClient(quiet)  # kept until the answer is there: its end cancels what it has asked
    try:
        admin.create_topics([NewTopic(READY_TOPIC, 1, 1)], request_timeout=seconds)[READY_TOPIC].result()
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            return str(error)
    problems: list[str] = []
    producer = Producer({**quiet, "message.timeout.ms": int(seconds * 1000), "linger.ms": 0})
    producer.produce(READY_TOPIC, b"ready", on_delivery=lambda error, _: problems.append(str(error or "")))
    producer.flush(seconds)
    return problems[0] if problems else "no acknowledgement in time"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder that outlives the run (default: a temporary one)")
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help="a broker setting")
    parser.add_argument("--bench", action="store_true", help="JVM settings for figures instead of quick starts")
    chosen = parser.parse_args()
    properties = dict(pair.split("=", 1) for pair in chosen.property)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    broker = KraftBroker(chosen.data, properties=properties, jvm=BENCH_JVM if chosen.bench else TEST_JVM)
    try:
        print(broker.start(), flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    except KraftError as error:
        print(error, file=sys.stderr)
    finally:
        broker.close()
    return 3


if __name__ == "__main__":
    sys.exit(main())
