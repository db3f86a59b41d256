"""Where the farm is: the options of every command that talks to broker and storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.settings.loaded import LoadedSettings
    from rushes_queue.settings.model import Settings
    from rushes_queue.storage.storage import Storage


_PATIENCE_SECONDS = 2.0  # with a storage whose answer a command can do without


@dataclass(frozen=True)
class FarmFlags:
    """Broker and storage; what is not given comes from the settings."""

    panel: ClassVar = "Farm"

    broker: Annotated[
        str | None,
        typer.Option(help="The farm's Redis: redis://host:6379/0. Also RUSHES_BROKER_URL."),
    ] = None
    storage: Annotated[
        str | None,
        typer.Option(help="The farm's storage: a folder or s3://bucket. Also RUSHES_STORAGE_URL."),
    ] = None

    def settings(self) -> Settings:
        """Return the settings. Raises: ConfigError."""
        return self.loaded().settings

    def loaded(self) -> LoadedSettings:
        """Return the settings, and where each value comes from.

        Raises: ConfigError.
        """
        from rushes_queue.local.machine_settings import read_settings

        return read_settings({"broker_url": self.broker, "storage_url": self.storage})

    def open_store(self) -> JobRecords:
        """Open the records of all jobs; the first call to them connects.

        Raises: ConfigError.
        """
        from rushes_queue.broker.job_records import JobRecords

        settings = self.settings()
        return JobRecords.open(settings.broker_url.get_secret_value(), settings.key_prefix)

    def open_storage(self) -> Storage:
        """Open the storage; nothing is read yet.

        Raises: ConfigError.
        """
        return self.settings().open_storage()


def farm_rates() -> list[bytes]:
    """Return what machines of the configured farm measured of their renders.

    Empty where no storage is configured, or it cannot be read: a plan does without.
    """
    from rushes.errors import RushesError
    from rushes_queue.archive.shared_rates import fetch_rates
    from rushes_queue.local.machine_settings import read_settings

    try:
        loaded = read_settings({})
        if loaded.origin("storage_url").kind == "default":
            return []
        patience = {"storage_patience_seconds": _PATIENCE_SECONDS}
        return list(fetch_rates(loaded.settings.model_copy(update=patience).open_storage()))
    except RushesError:
        return []
