"""The preset of a job for which nobody has chosen one: the farm's, not that of the submitter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rushes.errors import ConfigError
from rushes.files.folders import Folders
from rushes.presets.default import choose_preset, presets_of
from rushes_queue.broker.live_workers import LiveWorker
from rushes_queue.jobs.queue_names import split_queue_name

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.settings.loaded import LoadedSettings


def served_presets(workers: Iterable[LiveWorker]) -> tuple[str, ...]:
    """Return the presets that these workers serve, by name."""
    return tuple(sorted({split_queue_name(q)[0] for each in workers for q in each.info.queues}))


def preset_for_farm(
    loaded: LoadedSettings, store: JobRecords, folders: Folders, pipeline: str | None
) -> tuple[str, str | None]:
    """Choose the preset that renders a pipeline: of the settings, else one that workers serve.

    Only on a farm of this machine, whose workers have the same weights, those weights decide where
    no worker serves any, and the stand-in may be taken. Returns a note for the user with it.
    Raises: ConfigError that names what is served; BrokerError.
    """
    if loaded.settings.preset is not None:
        return loaded.settings.preset, None
    served = served_presets(store.workers.live())
    wanted = presets_of(pipeline)
    for name in wanted:
        if name in served:
            return name, None
    if loaded.origin("broker_url").kind == "local farm":
        return choose_preset(folders.models, pipeline)
    offered = f"live workers serve {', '.join(served)}" if served else "no worker lives"
    raise ConfigError(
        f"no preset was chosen, and no live worker serves {' or '.join(wanted)}: {offered}; name "
        "one with --preset or the setting preset, or start a worker that has the weights"
    )
