"""librdkafka's log lines in Python's logging, without the secrets of the client settings."""

from __future__ import annotations

import logging
from collections.abc import Iterable

NAME = "router.kafka.client"
HIDDEN = "***"


class SecretFilter(logging.Filter):
    """Replaces every known secret in a record's text."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: set[str] = set()

    def hide(self, secrets: Iterable[str]) -> None:
        self._secrets.update(secret for secret in secrets if secret)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        record.msg, record.args = text, ()
        return True


_filter = SecretFilter()


def client_logger(secrets: Iterable[str] = ()) -> logging.Logger:
    """The logger for the setting `logger` of a client. Lines arrive when the client is polled."""
    _filter.hide(secrets)
    logger = logging.getLogger(NAME)
    logger.addFilter(_filter)
    return logger
