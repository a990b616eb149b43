"""MLflow as a subscriber of the ledger: never the truth, and never a reason for a cell to fail."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from bench.errors import masked
from bench.record.records import Record
from bench.suite.metrics import KnownMetrics
from bench.track.runs import Finished, by_run, run_key
from bench.track.store import Store

log = logging.getLogger(__name__)

CLOSE_SECONDS = 300.0
_STOP = object()


class Tracker:
    """Passes records and files on; this one to nobody."""

    def record(self, record: Record) -> None:
        """A cell has ended."""

    def finish(self, finished: Finished) -> None:
        """All cells have ended, and the reports have been written."""

    def close(self) -> None:
        """Wait until all has been passed on."""


class MlflowTracker(Tracker):
    """Passes records on to an MLflow store from a thread of its own, which opens the store where there are some."""

    def __init__(self, uri: str, suite: str, out: Path, metrics: KnownMetrics, known: Iterable[Record]) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()
        self._arguments = (uri, suite, out, metrics)
        self._known = by_run(known)
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def record(self, record: Record) -> None:
        self._queue.put(record)

    def finish(self, finished: Finished) -> None:
        self._queue.put(finished)

    def close(self) -> None:
        self._queue.put(_STOP)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.warning("MLflow is still not up to date after %g s; `bench sync` completes it", CLOSE_SECONDS)

    def _work(self) -> None:
        try:
            first = self._queue.get()
            if first is _STOP:
                return
            store = Store(*self._arguments)
            if isinstance(first, Finished) and store.holds_all_of(first):
                return
            if not store.holds(self._known):
                for group in self._known.values():
                    store.put(list(group.values()))
            for item in chain([first], iter(self._queue.get, _STOP)):
                self._pass_on(item, store)
        except Exception as error:
            log.warning(
                "MLflow at %s is not available (%s: %s); results are safe in the ledger, `bench sync` passes them on",
                masked(self._arguments[0]), type(error).__name__, masked(str(error).partition("\n")[0]),
            )  # fmt: skip

    def _pass_on(self, item: Record | Finished, store: Store) -> None:
        if isinstance(item, Finished):
            store.finish(item)
            return
        group = self._known.setdefault(run_key(item), {})
        group[item.cell.id] = item
        store.put(list(group.values()))
