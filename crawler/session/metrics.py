"""A Prometheus endpoint for a crawl: the session's progress, read at each scrape.

All counters start at zero with the session, as Prometheus expects of a process. Names: see `CrawlMetrics.collect`.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crawler.errors import CrawlError
from crawler.session.progress import CrawlProgress

_LABELS = ("source", "crawl_id")


class MetricsAddressError(CrawlError):
    """The endpoint cannot be opened."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"metrics cannot be served on {host}:{port}: {error.strerror or error}; "
            "choose another --metrics-port (0 takes a free one)"
        )


class CrawlMetrics(Collector):
    """The metrics of one session in a registry of their own; call `update` with its progress, from any thread."""

    def __init__(self) -> None:
        self._progress: CrawlProgress | None = None
        self._updated = 0.0
        self._lock = threading.Lock()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def update(self, progress: CrawlProgress) -> None:
        """Copy the progress of a session; the argument may change afterwards."""
        copy = replace(progress, errors=dict(progress.errors))
        with self._lock:
            self._progress, self._updated = copy, time.time()

    def collect(self) -> Iterable[Metric]:
        """Give every metric after the first `update`; all have the labels source and crawl_id."""
        with self._lock:
            progress, updated = self._progress, self._updated
        if progress is None:
            return
        labels = (progress.source, progress.crawl_id)
        yield _pictures(progress, labels)
        yield _errors(progress, labels)
        yield _counter("bytes", "bytes of fetched pictures", progress.bytes, labels)
        yield _counter(
            "retries", "attempts that failed and will be made again", progress.retries, labels
        )
        yield _gauge("queue", "pictures that wait to be fetched", progress.queued, labels)
        yield _gauge("in_flight", "pictures in work or not yet on disk", progress.in_flight, labels)
        yield _gauge("listing", "1 while the source is being listed", progress.listing, labels)
        yield _gauge(
            "updated_timestamp_seconds", "time of the session's last update", updated, labels
        )


def _pictures(progress: CrawlProgress, labels: tuple[str, str]) -> Metric:
    description = "pictures that are settled, by outcome"
    family = CounterMetricFamily(
        "safelight_crawl_pictures", description, labels=(*_LABELS, "outcome")
    )
    for outcome in ("done", "failed", "unchanged", "repeat"):
        family.add_metric((*labels, outcome), getattr(progress, _FIELDS.get(outcome, outcome)))
    return family


_FIELDS = {"repeat": "repeats"}  # the outcome of a row -> the field of CrawlProgress


def _errors(progress: CrawlProgress, labels: tuple[str, str]) -> Metric:
    description = "pictures given up, by error"
    family = CounterMetricFamily("safelight_crawl_errors", description, labels=(*_LABELS, "error"))
    for error, n in sorted(progress.errors.items()):
        family.add_metric((*labels, error), n)
    return family


def _counter(name: str, description: str, value: float, labels: tuple[str, str]) -> Metric:
    family = CounterMetricFamily(f"safelight_crawl_{name}", description, labels=_LABELS)
    family.add_metric(labels, value)
    return family


def _gauge(name: str, description: str, value: float, labels: tuple[str, str]) -> Metric:
    family = GaugeMetricFamily(f"safelight_crawl_{name}", description, labels=_LABELS)
    family.add_metric(labels, value)
    return family


@contextmanager
def serve_metrics(metrics: CrawlMetrics, host: str, port: int) -> Iterator[str]:
    """Serve `metrics` over HTTP and give the address; port 0 takes a free one.

    Raises `MetricsAddressError` when the port is in use or the host is not an address of this machine.
    """
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise MetricsAddressError(host, port, error) from error
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
