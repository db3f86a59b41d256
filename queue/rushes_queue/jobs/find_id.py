"""The id of a job from its first characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from rushes.text import printable, shortened
from rushes_queue.errors import AmbiguousJobError, UnknownJobError

JOB_ID_PATTERN = r"[0-9a-f]{16}"
SHORTEST_PREFIX = 4  # characters of an id

_ID_START = re.compile(r"[0-9a-f]{1,16}")


def find_id(prefix: str, ids: Callable[[str, int], Sequence[str]]) -> str:
    """Return the one id that starts with ``prefix``.

    ``ids(prefix, limit)`` returns the first ids that do.
    Raises: AmbiguousJobError when the prefix is too short or fits several ids; UnknownJobError.
    """
    if not _ID_START.fullmatch(prefix):
        refuse_unknown(prefix)
    if len(prefix) < SHORTEST_PREFIX:
        raise AmbiguousJobError(
            f"{prefix!r} is too short; write at least {SHORTEST_PREFIX} characters of the id"
        )
    found = ids(prefix, 5)
    if not found:
        refuse_unknown(prefix)
    if len(found) > 1:
        raise AmbiguousJobError(f"{prefix!r} is the start of {', '.join(found)}; write more")
    return found[0]


def refuse_unknown(job: str) -> NoReturn:
    """Raise UnknownJobError for a job."""
    raise UnknownJobError(f"job {shortened(printable(job))}: is unknown; see rushes jobs", job=job)
