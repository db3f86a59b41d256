"""The connections of one process to the farm: records, storage, doorbells."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rushes.errors import RushesError
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.broker.replies import Bell
from rushes_queue.doorbell.bells import ring
from rushes_queue.settings.model import Settings
from rushes_queue.storage.storage import Storage

if TYPE_CHECKING:
    from rushes_queue.jobs.document import JobDocument


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

    def announce_end(self, job: str, document: JobDocument | None = None) -> tuple[str, ...]:
        """Send the notifications of a job that has ended; return what failed.

        The document is read unless it is given.
        Raises: BrokerError, UnknownJobError.
        """
        from rushes_queue.archive.job_files import read_document
        from rushes_queue.farm.notify import notify

        record = self.store.get(job)
        if document is None and record.notify is None:
            with suppress(RushesError):  # then only the addresses in the settings are notified
                document = read_document(self.storage, job)
        return notify(document, record, self.settings)
