"""Answers and errors as JSON: what the command line prints, with a status beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from rushes.errors import RushesError
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.web.api.services import Services

# The exit codes of the command line.
FAILED, USAGE, NOT_FOUND = 1, 2, 4
_STATUSES = {USAGE: 400, 3: 422, NOT_FOUND: 404, 5: 503, 6: 409, 8: 504, 75: 503}
_EXIT_CODES = {404: NOT_FOUND, 503: 5, 409: 6}


class Answer(Response):
    """JSON in which no folder of this machine is named."""

    media_type = "application/json"

    def __init__(self, services: Services, data: Any, status: int = 200) -> None:
        super().__init__(services.hidden.cut(json.dumps(data)), status)


def errors_json(faults: Sequence[RushesError]) -> list[dict[str, Any]]:
    """Return errors as ``--json`` prints them; one of several lines is one for each line."""
    return [
        {"message": line, "exit_code": fault.exit_code}
        for fault in faults
        for line in str(fault).splitlines() or [type(fault).__name__]
    ]


def status_of(exit_code: int) -> int:
    """Return the status of HTTP for an exit code of the command line."""
    return _STATUSES.get(exit_code, 500)


def refusal(status: int, message: str) -> Response:
    """Return an error that is not one of ours, in the same form."""
    error = {"message": message, "exit_code": _EXIT_CODES.get(status, USAGE)}
    body = {"schema_version": SCHEMA_VERSION, "errors": [error]}
    return Response(json.dumps(body), status, media_type="application/json")


async def answer_rushes_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours."""
    assert isinstance(error, RushesError)
    body = {"schema_version": SCHEMA_VERSION, "errors": errors_json([error])}
    return Answer(request.app.state.services, body, status_of(error.exit_code))


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer an address that is not there, a body that is too large, and the like."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, str(error.detail))


async def answer_wrong_request(request: Request, error: Exception) -> Response:
    """Answer a request whose values are wrong, with the place of each."""
    assert isinstance(error, RequestValidationError)
    faults = [
        f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}"
        for fault in error.errors()
    ]
    return refusal(400, "; ".join(faults))
