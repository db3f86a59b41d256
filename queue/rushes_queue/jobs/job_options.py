"""The options of a job beside its picture, checked by the rules of the job document."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rushes.errors import ConfigError
from rushes.text import printable, shortened
from rushes_queue.jobs.document import JobId, Tag, Url
from rushes_queue.jobs.queue_names import GpuClass, Priority
from rushes_queue.text_fields import check_web_address

_FLAGS = {"priority": "--priority", "tags": "--tag", "after": "--after", "notify": "--notify"}
_WANTED = {
    "priority": ", ".join(get_args(Priority)),
    "tags": "1 to 64 characters on one line, without control characters",
    "after": "the id of a job",
    "gpu_class": ", ".join(get_args(GpuClass)),
    "notify": "a web address of at most 2,000 characters that begins with http:// or https://",
}

# Documents of before may have others; telling them fails, and the job is done all the same.
WebAddress = Annotated[Url, AfterValidator(check_web_address)]


class JobOptions(BaseModel):
    """The options of a job beside its picture; a ``nonce`` makes an equal job a new one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: Priority = "normal"
    tags: tuple[Tag, ...] = Field(default=(), max_length=32)
    after: tuple[JobId, ...] = Field(default=(), max_length=100)
    gpu_class: GpuClass = "any"
    notify: tuple[WebAddress, ...] = Field(default=(), max_length=8)
    nonce: str | None = None


def make_job_options(**values: Any) -> JobOptions:
    """Check the options that a user gives a job.

    Raises: ConfigError that names every option and value that is not allowed, and what is.
    """
    try:
        return JobOptions.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(map(_option_fault, error.errors()))) from error


def _option_fault(fault: Any) -> str:
    name = str(fault["loc"][0])
    flag = _FLAGS.get(name, name)
    if fault["type"] == "too_long" and len(fault["loc"]) == 1:
        most = fault["ctx"]["max_length"]
        return f"{flag}: is given {fault['ctx']['actual_length']} times, at most {most} are allowed"
    value = shortened(printable(str(fault["input"])))
    return f"{flag} {value!r}: is not allowed; write {_WANTED.get(name, 'another value')}"
