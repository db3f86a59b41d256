"""One small picture of a job: the last frame of its result, or of what runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import InputError, RushesError
from rushes_queue.jobs.record import JobRecord
from rushes_queue.jobs.states import State
from rushes_queue.web.state.frames import Frames
from rushes_queue.web.state.results import Results

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST_SIDE = 320  # pixels
_QUALITY = 80
_AT_A_TIME = 2  # decoding takes a core each
_SECONDS_BEFORE_END = 1


class Thumbnails:
    """Small JPEGs of results in a folder, made when they are first asked for."""

    def __init__(self, results: Results, frames: Frames, folder: Path) -> None:
        self._results, self._frames, self._folder = results, frames, folder
        self._turns = threading.Semaphore(_AT_A_TIME)

    def get(self, record: JobRecord) -> bytes:
        """Return the picture.

        Raises: JobConflictError when the job neither runs nor is done; NoFrameError when its
            worker has sent none yet; InputError when the result cannot be shown.
        """
        if record.state is not State.DONE:
            return self._frames.get(record.id, 0.0).jpeg
        path = self._folder / f"{record.id}.jpg"
        if not path.is_file():
            with self._turns:
                picture = _last_picture(self._results.fetch(record.id).output)
            picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.convert("RGB").save(path, "JPEG", quality=_QUALITY)
        return path.read_bytes()


def _last_picture(output: Path) -> Image:
    from PIL import Image

    if output.is_dir():  # a sequence of pictures
        return Image.open(max(output.glob("*.png")))
    try:
        return _last_frame(output)
    except RushesError:
        raise
    except Exception as error:  # FFmpeg's errors have no common base of ours
        raise InputError(f"{output.name}: its last frame cannot be read: {error}") from error


def _last_frame(video: Path) -> Image:
    import av

    with av.open(video) as container:
        stream = container.streams.video[0]
        if stream.duration and stream.time_base:
            before_end = stream.duration - int(_SECONDS_BEFORE_END / stream.time_base)
            container.seek(max(before_end, 0), stream=stream)
        last: Any = None
        for frame in container.decode(stream):
            last = frame
        if last is None:
            raise InputError(f"{video.name}: has no picture")
        picture: Image = last.to_image()
        return picture
