"""The shell around a running command: logs, signals, metrics page, exit status.

Exit status: 0 stopped as asked; the error's own for a RouterError (1 wrong configuration, 2 wrong usage, 3 a part
outside is not there); 70 for a fault of the router itself, which a supervisor answers with a restart.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from router.config.options import RunOptions
from router.errors import RouterError, Stopped
from router.mask import SECRETS, secret_settings
from router.process.health import Health
from router.process.logging import set_up
from router.process.serve import MetricsServer, bind
from router.process.signals import reload_on_hangup, stop_on_signals

if TYPE_CHECKING:
    from router.config.loader import Loaded
    from router.process.reload import Reload

FAULT = 70
GC_THRESHOLDS = (50_000, 20, 50)

log = logging.getLogger(__name__)

Target = Callable[[Event, Health], None]


def run_process(
    name: str, loaded: Loaded, options: RunOptions, target: Target, reload: Reload[Any] | None = None
) -> int:
    """Run `target(stop, health)` until it returns; `stop` is set by SIGTERM or SIGINT. Returns the exit status.

    `target` is expected to finish what is begun once `stop` is set, and to say when it is ready. It may `use` the
    `reload`, which SIGHUP asks to look at once and which ends with it. Main thread only.
    """
    health = Health()
    stop = Event()
    try:
        set_up(options.called or name, os.environ)
        register_secrets(loaded, options)
        with ExitStack() as stack:
            stack.enter_context(stop_on_signals(stop))
            if reload is not None:
                stack.enter_context(reload_on_hangup(reload.ask))
                reload.tell(partial(health.live, "reload", True))
                stack.callback(reload.stop)
            server = stack.enter_context(MetricsServer(bind(options.metrics, shared=options.supervised), health))
            log.info("started", extra={"metrics": "http://{}:{}/metrics".format(*server.address)})
            target(stop, health)
            log.info("stopped")
    except Stopped:
        log.info("stopped while starting")
    except RouterError as error:
        log.error("%s", error, extra={"status": error.status})
        return error.status
    except Exception:
        log.exception("a fault of the router itself")
        return FAULT
    return 0


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Parsed events are many short-lived containers without cycles: looking for cycles costs a sixth of their time."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def register_secrets(loaded: Loaded, options: RunOptions) -> None:
    """No log line shows them from now on."""
    SECRETS.add(secrets(loaded, options))


def secrets(loaded: Loaded, options: RunOptions) -> Iterator[str]:
    """Every secret text of the configuration: write keys, connector settings, passwords of the Kafka client."""
    yield from _secret_texts(loaded.topology)
    yield from _secret_texts(loaded.connector_settings)
    yield from _secret_texts(loaded.source_settings)
    yield from secret_settings(options.kafka)


def _secret_texts(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secret_texts(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secret_texts(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _secret_texts(item)
