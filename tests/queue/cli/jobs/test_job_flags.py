"""Options of jobs: from flags, and with the jobs to wait for."""

from __future__ import annotations

import pytest

from farm.documents import document
from rushes_queue.broker.job_records import JobRecords
from rushes_queue.cli.jobs.job_flags import JobFlags
from rushes_queue.errors import UnknownJobError


def test_flags_become_options_of_a_job() -> None:
    options = JobFlags(priority="high", tag=["night"], gpu_class="gpu24").options()
    assert (options.priority, options.tags, options.gpu_class) == ("high", ("night",), "gpu24")
    assert options.nonce is None
    assert JobFlags(new=True).options().nonce != JobFlags(new=True).options().nonce


def test_jobs_to_wait_for_are_found_by_their_first_characters(store: JobRecords) -> None:
    made = document(0)
    store.submit(made, f"jobs/{made.id}/job.json")
    flags = JobFlags(after=[made.id[:6]])
    assert flags.with_causes(flags.options(), store).after == (made.id,)
    assert JobFlags().with_causes(flags.options(), store).after == ()
    with pytest.raises(UnknownJobError):
        JobFlags(after=["0" * 16]).with_causes(flags.options(), store)
