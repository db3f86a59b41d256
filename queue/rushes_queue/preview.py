"""The last frame of a running job, for whoever looks at it; without one it costs nothing.

Who looks says so in the broker, for a while. The worker asks when it renews its lease, and only
then makes a picture.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from rushes_queue.broker import broker_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from redis import Redis

LOOK_SECONDS = 30  # for which one look counts
FRAME_SECONDS = 120  # for which a picture is kept

_LONGEST_SIDE = 960  # pixels
_JPEG_QUALITY = 85


def ask(client: Redis, prefix: str, job: str) -> None:
    """Say that somebody looks at a job.

    Raises: BrokerError.
    """
    with broker_errors(client):
        client.set(f"{prefix}look:{job}", "1", ex=LOOK_SECONDS)


def is_wanted(client: Redis, prefix: str, job: str) -> bool:
    """Say whether somebody looks at a job.

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
    """Keep the last frame of a job for a while.

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
    return base64.b64decode(str(text)) if text else None
