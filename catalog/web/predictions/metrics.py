"""Figures about predictions for Prometheus: how many, how they ended, how long they took. No address and no picture."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ANSWERED = "answered"
_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class PredictionMetrics:
    """The counters of one server, by kind of request (`picture`, `batch` or `heat_map`). Used by one event loop."""

    def __init__(self, at_work: Callable[[], float], arriving: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._ended = Counter(
            "safelight_predictions",
            "Pictures by how their request ended: answered, or the kind of refusal or error",
            ["request", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "safelight_prediction_seconds",
            "Seconds from the last byte of a picture to its answer",
            ["request"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        for name, about, read in (
            ("safelight_predictions_at_work", "Predictions at work", at_work),
            ("safelight_uploads_arriving", "Uploads whose bytes are arriving", arriving),
        ):
            Gauge(name, about, registry=self._registry).set_function(read)

    def count(self, request: str, outcome: str, seconds: float | None = None) -> None:
        """Count one picture; `seconds` of an answered one."""
        self._ended.labels(request, outcome).inc()
        if seconds is not None:
            self._seconds.labels(request).observe(seconds)

    def text(self) -> bytes:
        """Return the figures in the text format of Prometheus."""
        return generate_latest(self._registry)
