"""Where settings come from, and settings without effect or that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from rushes_queue.doctor.finding import Check, Finding, ok, warning
from rushes_queue.settings.loaded import LoadedSettings
from rushes_queue.settings.model import LOCAL_FARM


def check_origins(loaded: LoadedSettings) -> Iterator[Finding]:
    used = [str(file.path) for file in loaded.files if file.is_used]
    yield ok("files", ", ".join(used) or "none; rushes config path lists those that would be read")
    for name in ("broker_url", "storage_url", "models_dir"):
        yield ok(name, f"from {loaded.origin(name)}")
    for name in loaded.unknown_variables:
        yield warning(
            name, "is not a setting; it does nothing", f"unset {name}; rushes config show"
        )


def check_local_farm(loaded: LoadedSettings) -> Iterator[Finding]:
    """Check that jobs for the farm on this machine go where its workers look."""
    folder = loaded.settings.state_dir / LOCAL_FARM
    if not folder.is_dir():
        return
    from rushes_queue.local.farm_file import LocalFarm

    shared = LocalFarm(folder).shared_variables()
    if not shared:
        yield ok("local farm", "is down; rushes up starts it")
    elif loaded.origin("broker_url").kind != "local farm":
        yield warning(
            "local farm",
            f"runs, but the broker is that of {loaded.origin('broker_url')}",
            "unset that to use it, or rushes down",
        )
    elif shared["RUSHES_STORAGE_URL"] != loaded.settings.storage_url:
        yield warning(
            "local farm",
            f"has its storage at {shared['RUSHES_STORAGE_URL']}, but {loaded.origin('storage_url')}"
            f" says {loaded.settings.storage_url}",
            "rushes up takes the workers there",
        )
    else:
        yield ok("local farm", "runs, and is used")


CHECKS: tuple[Check, ...] = (check_origins, check_local_farm)
