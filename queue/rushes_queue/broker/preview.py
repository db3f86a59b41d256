"""The last frame of a running job, made only while somebody wants it.

Viewers register in the broker for a short time. The worker looks for them when it renews its lease,
and only then makes a picture.
"""

from __future__ import annotations

import base64
import io
import time
from typing import TYPE_CHECKING

from rushes_queue.broker.connection import broker_errors
from rushes_queue.errors import JobConflictError, JobError
from rushes_queue.jobs.states import State

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from redis import Redis

    from rushes_queue.broker.job_records import JobRecords

LOOK_SECONDS = 30  # for which a viewer stays registered
FRAME_SECONDS = 10  # for which a picture is kept; the worker renews it while there are viewers

_LONGEST_SIDE = 960  # pixels
_JPEG_QUALITY = 85
_SECONDS_BETWEEN_LOOKS = 0.2


class NoFrameError(JobError):
    """A worker has not sent a picture in time."""

    exit_code = 8


def ask(client: Redis, prefix: str, job: str) -> None:
    """Register a viewer of a job.

    Raises: BrokerError.
    """
    with broker_errors(client):
        client.set(f"{prefix}look:{job}", "1", ex=LOOK_SECONDS)


def is_wanted(client: Redis, prefix: str, job: str) -> bool:
    """Say whether a job has viewers.

    Raises: BrokerError.
    """
    with broker_errors(client):
        return bool(client.exists(f"{prefix}look:{job}"))


def to_jpeg(frame: NDArray[np.uint8]) -> bytes:
    """Return a frame as JPEG, made smaller if it is large.

    Shapes:
        frame: [H, W, 3], uint8 RGB
    """
    from PIL import Image

    picture = Image.fromarray(frame)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=_JPEG_QUALITY)
    return data.getvalue()


def store_frame(client: Redis, prefix: str, job: str, jpeg: bytes) -> None:
    """Keep the last frame of a job for a short time.

    Raises: BrokerError, BrokerFullError.
    """
    text = base64.b64encode(jpeg).decode()  # the client decodes what it reads
    with broker_errors(client):
        client.set(f"{prefix}frame:{job}", text, ex=FRAME_SECONDS)


def read_frame(client: Redis, prefix: str, job: str) -> bytes | None:
    """Return the last frame of a job as JPEG, if there is one.

    Raises: BrokerError.
    """
    with broker_errors(client):
        text = client.get(f"{prefix}frame:{job}")
    try:
        return base64.b64decode(str(text), validate=True) if text else None
    except ValueError:  # somebody else wrote there
        return None


def wait_for_frame(store: JobRecords, job: str, timeout_seconds: float) -> bytes:
    """Ask for the last frame of a job and wait for it.

    Raises: JobConflictError when the job does not run; NoFrameError; BrokerError.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        ask(store.client, store.prefix, job)
        if jpeg := read_frame(store.client, store.prefix, job):
            return jpeg
        state = store.get(job).state
        if state is not State.RUNNING:
            hint = "; rushes fetch brings its video" if state is State.DONE else ""
            raise JobConflictError(f"job {job}: is {state} and has no new frame{hint}")
        if time.monotonic() >= deadline:
            raise NoFrameError(f"job {job}: its worker sent no frame within {timeout_seconds:g} s")
        time.sleep(_SECONDS_BETWEEN_LOOKS)
