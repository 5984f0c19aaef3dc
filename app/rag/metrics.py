"""Metrics: Prometheus text whose label values come from closed sets."""

from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import Scope

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

METHODS: Final = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Bucket bounds in seconds: from one short text on a GPU (ms) to a long generated answer."""


class Metrics:
    """Hold the instruments of one application."""

    def __init__(self) -> None:
        # A time stamp beside every counter doubles the series and tells nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"namespace": "rag", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ["method", "route", "status"], **made)
        self.request_seconds = Histogram(
            "request_seconds", "Seconds to the last byte.", ["route"], buckets=SECONDS, **made
        )
        self.in_flight = Gauge("in_flight", "Requests being worked on.", **made)
        self.inference_seconds = Histogram(
            "inference_seconds", "Seconds of one embedding call.", buckets=SECONDS, **made
        )
        self.embedded_texts = Counter("embedded_texts", "Inputs embedded.", **made)
        self.embedded_tokens = Counter("embedded_tokens", "Tokens embedded.", **made)
        self.truncated_texts = Counter("truncated_texts", "Inputs longer than the model reads.", **made)
        self.upstream_calls = Counter("upstream_calls", "Calls to the upstream.", ["outcome"], **made)
        self.ready = Gauge("ready", "1 once the warm-up is done.", **made)
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """Write everything in the Prometheus text format."""
        return generate_latest(self.registry)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answered request.

        A path that no route has, and a method nobody uses, are both "other": what
        callers invent must not become time series.
        """
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)
