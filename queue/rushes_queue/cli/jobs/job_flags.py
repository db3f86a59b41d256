"""Options about the jobs that timelines become."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from rushes_queue.cli.jobs.choosing import complete_jobs, complete_tags
from rushes_queue.jobs.queue_names import GpuClass, Priority

if TYPE_CHECKING:
    from rushes_queue.broker.job_records import JobRecords
    from rushes_queue.jobs.job_options import JobOptions


@dataclass(frozen=True)
class JobFlags:
    """When, where and how often jobs are rendered, and who hears of it."""

    panel: ClassVar = "Job"

    priority: Annotated[Priority, typer.Option(help="high, normal or low.")] = "normal"
    tag: Annotated[
        list[str] | None,
        typer.Option(
            help="Tag to find the jobs by; may be repeated.", autocompletion=complete_tags
        ),
    ] = None
    after: Annotated[
        list[str] | None,
        typer.Option(
            help="Wait until this job is done; may be repeated.", autocompletion=complete_jobs
        ),
    ] = None
    gpu_class: Annotated[
        GpuClass, typer.Option(help="The smallest GPU that will do: gpu24 is one of 24 GB.")
    ] = "any"
    notify: Annotated[
        list[str] | None, typer.Option(help="Web address to call at the end; may be repeated.")
    ] = None
    new: Annotated[
        bool, typer.Option("--new", help="Make a new job even of what was submitted before.")
    ] = False

    def options(self) -> JobOptions:
        """Check the flags; the jobs to wait for come with ``with_causes``.

        Raises: ConfigError.
        """
        from rushes_queue.jobs.job_options import make_job_options

        return make_job_options(
            priority=self.priority,
            tags=tuple(self.tag or ()),
            gpu_class=self.gpu_class,
            notify=tuple(self.notify or ()),
            nonce=secrets.token_hex(16) if self.new else None,
        )

    def with_causes(self, options: JobOptions, store: JobRecords) -> JobOptions:
        """Return options with the jobs to wait for, which the broker knows.

        Raises: AmbiguousJobError, UnknownJobError.
        """
        from rushes_queue.jobs.job_options import make_job_options

        if not self.after:
            return options
        found = tuple(store.find(job) for job in self.after)
        return make_job_options(**dict(options) | {"after": found})
