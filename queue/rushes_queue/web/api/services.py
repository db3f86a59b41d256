"""What the addresses work with: one set of it for a server."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from anyio import CapacityLimiter
from fastapi import Depends, Request

from rushes.files.folders import Folders
from rushes_queue.web.safety.hidden_places import HiddenPlaces
from rushes_queue.web.state.backend import Backend
from rushes_queue.web.state.feed import Feed
from rushes_queue.web.state.frames import Frames
from rushes_queue.web.state.log_follower import Streams
from rushes_queue.web.state.measures import Measures
from rushes_queue.web.state.results import Results
from rushes_queue.web.state.thumbnails import Thumbnails
from rushes_queue.web.state.uploads import Uploads

Mode = Literal["farm", "alone"]


@dataclass(frozen=True)
class Services:
    """The parts of a server; ``requests_folder`` is for what single requests bring.

    ``drafting`` is held while a draft is drawn. ``viewing`` and ``measuring`` bound the threads
    that wait for frames or measure results, so that they leave threads for everything else.
    Units: ``most_upload`` in bytes.
    """

    mode: Mode
    backend: Backend
    feed: Feed
    frames: Frames
    results: Results
    measures: Measures
    thumbnails: Thumbnails
    uploads: Uploads
    hidden: HiddenPlaces
    folders: Folders
    requests_folder: Path
    most_upload: int
    streams: Streams = field(default_factory=Streams)
    viewing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(24))
    measuring: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))
    drafting: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(
        cls,
        backend: Backend,
        *,
        mode: Mode,
        folders: Folders,
        hidden: Iterable[Path | str],
        most_upload: int,
    ) -> Services:
        """Open all of them; what is kept lies below the cache folder.

        ``hidden`` are more folders whose paths leave this machine in no answer.
        """
        kept = folders.cache / "web"
        frames, results = Frames(backend), Results(backend, kept / "results")
        return cls(
            mode=mode,
            backend=backend,
            feed=Feed(backend),
            frames=frames,
            results=results,
            measures=Measures(backend, results, kept / "measures"),
            thumbnails=Thumbnails(results, frames, kept / "thumbnails"),
            uploads=Uploads(kept / "uploads", most_upload),
            hidden=HiddenPlaces([folders.models, folders.cache, *hidden], kept / "requests"),
            folders=folders,
            requests_folder=kept / "requests",
            most_upload=most_upload,
        )

    def close(self) -> None:
        """End the thread that looks, and the connections."""
        self.feed.close()
        self.backend.close()


def _of_request(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


WithServices = Annotated[Services, Depends(_of_request)]
