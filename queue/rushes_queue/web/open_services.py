"""Which backend serves the page: the farm of the settings, or this machine alone."""

from __future__ import annotations

import os
from pathlib import Path

from rushes.errors import RushesError
from rushes.files.folders import Folders
from rushes_queue.client.farm import Farm
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.web.alone.jobs import OwnJobs
from rushes_queue.web.api.services import Services
from rushes_queue.web.state.backend import Backend


def open_services(
    *,
    broker: str | None = None,
    storage: str | None = None,
    folders: Folders,
    is_alone: bool = False,
    most_upload: int,
) -> Services:
    """Open the parts of a server; ``broker`` and ``storage`` are those of ``rushes submit``.

    Without a farm it is this machine: no broker is named anywhere, and none answers at the usual
    place. A broker that is named and away stays the one that is meant: the page says so.
    Raises: ConfigError.
    """
    loaded = read_settings({"broker_url": broker, "storage_url": storage})
    settings = loaded.settings
    farm = None if is_alone else Farm(broker, storage)
    if farm is not None and loaded.origin("broker_url").kind == "default" and not _answers(farm):
        farm.close()
        farm = None
    backend: Backend = farm or OwnJobs(settings.state_dir / "web", folders)
    places = (settings.state_dir, settings.work_dir, settings.storage_url, Path.home(), os.getcwd())
    return Services.open(
        backend,
        mode="alone" if farm is None else "farm",
        folders=folders,
        hidden=[*folders.loras, *places],
        most_upload=most_upload,
    )


def _answers(farm: Farm) -> bool:
    try:
        farm.stats()
    except RushesError:
        return False
    return True
