"""ETags from version numbers: a reader saves transfers, a writer overwrites nobody's change."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from flask import Response, json, make_response, request

from .problems import Problem


class Versioned(Protocol):
    version: Any


def refuse_stale(row: Versioned) -> None:
    """Raises Problem 412 when If-Match names another version than the present one."""
    if request.if_match and str(row.version) not in request.if_match:
        raise Problem(412, f"It is at version {row.version} now: read it again.", headers={"ETag": f'"{row.version}"'})


def tagged(body: Any, row: Versioned, status: int = 200) -> Response:
    """The representation with its ETag; 304 for a GET that has it already."""
    return _conditional(body, str(row.version), status)


def hashed(body: Any) -> Response:
    """The same for what has no version of its own."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return _conditional(body, digest[:32], 200)


def _conditional(body: Any, etag: str, status: int) -> Response:
    response = make_response(json.jsonify(body), status)
    response.set_etag(etag)
    if status == 200 and request.method in ("GET", "HEAD"):
        response.make_conditional(request)
    return response
