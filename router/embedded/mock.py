"""librdkafka's mock cluster, reached through the library that the confluent-kafka wheel carries.

The C functions are outside librdkafka's ABI promise; confluent-kafka is pinned exactly for that reason.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from router.errors import RouterError, Unavailable
from router.kafka.librdkafka import librdkafka

ALL_BROKERS = -1
_PRODUCER = 0
_ERRSTR_BYTES = 512


def _library() -> ctypes.CDLL:
    library = librdkafka("rd_kafka_mock_cluster_new")
    if library is None:
        raise Unavailable(
            "the installed confluent-kafka has no mock cluster: install its wheel from PyPI, or use --bootstrap"
        )
    return _typed(library)


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, text, number, short = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int16
    signatures: dict[str, tuple[object, list[type]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_set_controller_id": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_push_request_errors_array": (None, [pointer, short, ctypes.c_size_t, pointer]),
        "rd_kafka_err2name": (text, [number]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockCluster:
    """One mock broker on a random loopback port, alive as long as this process."""

    def __init__(self) -> None:
        self._library = _library()
        reason = ctypes.create_string_buffer(_ERRSTR_BYTES)
        handle = self._library.rd_kafka_new(_PRODUCER, self._settings(), reason, _ERRSTR_BYTES)
        self._cluster = self._library.rd_kafka_mock_cluster_new(handle, 1) if handle else None
        if not self._cluster:
            raise Unavailable(f"the embedded broker did not start: {reason.value.decode() or 'no free port?'}")
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        # The mock reports controller 0, which is no broker: clients would wait for it in every describe call.
        self._check("controller", self._library.rd_kafka_mock_set_controller_id(self._cluster, 1))

    def _settings(self) -> object:
        settings = self._library.rd_kafka_conf_new()
        # 4 = warnings and worse: the mock logs each connection at a lower level.
        self._library.rd_kafka_conf_set(settings, b"log_level", b"4", None, 0)
        return settings

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT`, on loopback."""
        return str(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def create(self, topic: str, partitions: int) -> None:
        """Raises RouterError when the topic is there already or the count is not positive."""
        if partitions < 1:  # the library makes a topic without partitions of 0 and aborts the process below it
            raise RouterError(f"embedded broker: topic {topic}: expected at least 1 partition, got {partitions}")
        created = self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1)
        self._check(f"topic {topic}", created)

    def down(self) -> None:
        """Refuses connections; what is stored stays."""
        self._check("down", self._library.rd_kafka_mock_broker_set_down(self._cluster, ALL_BROKERS))

    def up(self) -> None:
        self._check("up", self._library.rd_kafka_mock_broker_set_up(self._cluster, ALL_BROKERS))

    def error(self, api_key: int, codes: Sequence[int]) -> None:
        """The next requests of this kind are answered with these Kafka error codes, one each."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(codes), array)

    def _check(self, what: str, code: int) -> None:
        if code:
            raise RouterError(f"embedded broker: {what}: {self._library.rd_kafka_err2name(code).decode()}")
