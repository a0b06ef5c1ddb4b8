"""Log lines of Kafka's clients in Python's logging: without the secrets of the settings, repeats counted."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable

from router.mask import SECRETS

NAME = "router.kafka.client"
REPEAT_SECONDS = 30.0
_NUMBERS = re.compile(r"\d+")


class ClientFilter(logging.Filter):
    """Masks secrets; lets a line that differs from another only in numbers pass once in 30 s.

    While a broker is away, each client would otherwise report every attempt to connect.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text = SECRETS(record.getMessage())
        kind = _NUMBERS.sub("#", text)
        passed, held_back = self._seen.get(kind, (-REPEAT_SECONDS, 0))
        now = time.monotonic()
        if now - passed < REPEAT_SECONDS:
            self._seen[kind] = (passed, held_back + 1)
            return False
        self._seen[kind] = (now, 0)
        record.msg, record.args = f"{text} (and {held_back} like it before)" if held_back else text, ()
        return True


_filter = ClientFilter()


def calm(*beginnings: str) -> None:
    """The loggers of these libraries as they are now: warnings only, and of lines that repeat one in 30 s.

    A logger's filter is not asked about the lines of loggers below it, so each of them gets it.
    """
    for name in beginnings:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in beginnings:
            logging.getLogger(name).addFilter(_filter)


def client_logger(secrets: Iterable[str] = ()) -> logging.Logger:
    """The logger for the setting `logger` of a client. Lines arrive when the client is polled."""
    SECRETS.add(secrets)
    logger = logging.getLogger(NAME)
    logger.addFilter(_filter)
    return logger
