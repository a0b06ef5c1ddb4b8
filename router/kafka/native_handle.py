"""The handle of a Python client, for the native loops of `router/native`, which call librdkafka on it themselves.

It comes by librdkafka's interface for plugins and interceptors (`conf_init` in `router/native/fan.c`).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from router.kafka.librdkafka import librdkafka
from router.native.library import native

_Client = TypeVar("_Client")
_making = threading.Lock()  # the library notes the client that was made last


class NativeClient(NamedTuple):
    """The native library and librdkafka, where both can be used."""

    loops: ctypes.CDLL
    kafka: ctypes.CDLL
    path: Path

    def made(
        self, make: Callable[[dict[str, Any]], _Client], settings: dict[str, Any]
    ) -> tuple[_Client, int | None]:  # fmt: skip
        """What `make` makes of the settings, and its handle, which lives as long. Raises what `make` raises."""
        typed(self.loops.router_prepare, None, ctypes.c_void_p)(address(self.kafka, "conf_interceptor_add_on_new"))
        take_made = typed(self.loops.router_take_made, ctypes.c_void_p)
        plugins = ";".join(filter(None, [settings.get("plugin.library.paths"), str(self.path)]))
        with _making:
            client = make(settings | {"plugin.library.paths": plugins})
            return client, take_made()

    def check_sizes(self, function: str, *structs: type[ctypes.Structure]) -> None:
        """Raises OSError where the library's structs are others than these."""
        sizes = (ctypes.c_uint32 * len(structs))()
        typed(getattr(self.loops, function), None, ctypes.c_void_p)(sizes)
        expected = [ctypes.sizeof(struct) for struct in structs]
        if list(sizes) != expected:
            raise OSError(f"expected structs of {expected} bytes, got {list(sizes)}")


def native_client() -> NativeClient | None:
    """None where there is no library, or no librdkafka that can be reached, or its path cannot be a setting."""
    found = native()
    kafka = librdkafka("rd_kafka_conf_interceptor_add_on_new")
    if found.library is None or kafka is None or ";" in str(found.path):
        return None
    return NativeClient(found.library, kafka, found.path)


def typed(function: Any, result: Any, *arguments: Any) -> Any:
    function.restype, function.argtypes = result, arguments
    return function


def address(kafka: ctypes.CDLL, name: str) -> int | None:
    """Of the function of librdkafka, without `rd_kafka_`."""
    return ctypes.cast(getattr(kafka, f"rd_kafka_{name}"), ctypes.c_void_p).value
