"""Metrics for Prometheus, and what each request counts."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

_requests = Counter("sample_http_requests_total", "Requests answered", ["service", "method", "route", "status"])
_seconds = Histogram(
    "sample_http_request_seconds",
    "Time from the request to its answer",
    ["service", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_waiting = Gauge("sample_outbox_waiting", "Events in the outbox that the broker has not confirmed yet", ["service"])


def install(app: Flask, waiting: Callable[[], float]) -> None:
    """waiting: how many events the outbox holds; NaN when the database does not say."""
    _waiting.labels(app.name).set_function(waiting)

    @app.before_request
    def begin() -> None:
        g.began_at = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        # The rule, not the path: a path would be a label a product.
        route = request.url_rule.rule if request.url_rule else "none"
        _requests.labels(app.name, _method(), route, str(response.status_code)).inc()
        if "began_at" in g:
            _seconds.labels(app.name, route).observe(time.perf_counter() - g.began_at)
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _method() -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return request.method if request.method in known else "other"
