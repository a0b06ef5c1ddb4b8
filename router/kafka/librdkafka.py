"""librdkafka, as the confluent-kafka wheel carries it: its C functions, for what the Python client does not offer."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path


@cache
def librdkafka(function: str) -> ctypes.CDLL | None:
    """The library, if it has this function. What is called by it is outside the Python client's promises.

    Symbols resolve through the extension module's own dependencies: no guess about where a wheel keeps them.
    """
    spec = importlib.util.find_spec("confluent_kafka")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for extension in (path for place in places for path in sorted(Path(place).glob("cimpl*"))):
        library = ctypes.CDLL(str(extension))
        if hasattr(library, function):
            return library
    return None
