"""The connections of one process to the farm: records, storage, doorbells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from rushes.errors import RushesError
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import Bell
from rushes_queue.doorbell.bells import ring
from rushes_queue.settings.model import Settings
from rushes_queue.storage.storage import Storage


@dataclass(frozen=True)
class FarmLinks:
    """Open one of these in each process; connections do not survive a fork."""

    settings: Settings
    store: JobRecords
    storage: Storage

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open all of them; the first call of each connects.

        Raises: ConfigError.
        """
        url = settings.broker_url.get_secret_value()
        return cls(settings, JobRecords.open(url, settings.key_prefix), settings.open_storage())

    def ring(self, bells: Iterable[Bell]) -> bool:
        """Ring these bells; see ``doorbell.bells.ring``."""
        return ring(self.store.client, self.store.prefix, bells)

    def announce_end(self, job: str) -> tuple[str, ...]:
        """Send the notifications of a job that has ended; return what failed.

        Raises: BrokerError, UnknownJobError.
        """
        from rushes_queue.archive.job_files import read_document
        from rushes_queue.farm.notify import notify

        record = self.store.get(job)
        try:
            document = read_document(self.storage, job)
        except RushesError:  # then only the addresses in the settings are notified
            document = None
        return notify(document, record, self.settings)
