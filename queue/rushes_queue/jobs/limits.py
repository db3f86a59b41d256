"""The limits of a job on a farm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ByteSize, ConfigDict, Field, PositiveFloat, PositiveInt

from rushes_queue.errors import DocumentError

if TYPE_CHECKING:  # every command reads these settings, and few need a document
    from rushes_queue.jobs.document import JobDocument


class Limits(BaseModel):
    """The limits of a job; a job beyond them is refused when it is submitted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_pixels: PositiveInt = 1920 * 1088  # of one frame
    max_output_seconds: PositiveFloat = 36_000.0
    max_input_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(64 * 2**30)
    max_prompts: PositiveInt = 10_000


def check_limits(document: JobDocument, limits: Limits) -> None:
    """Refuse a job that exceeds the limits of this farm.

    Raises: DocumentError that names every limit.
    """
    plan = document.plan
    seconds = plan["num_frames"] / plan["fps"]
    num_prompts = sum(len(prompts) for prompts in plan["prompts"].values())
    given = (document.timeline, document.input, document.audio, *document.files)
    sizes = [ref.size for ref in given if ref]
    faults = [
        f"{what} is {value:,.0f}, at most {most:,.0f} are allowed (limits.{name})"
        for name, what, value, most in (
            ("max_pixels", "pixels a frame", plan["width"] * plan["height"], limits.max_pixels),
            ("max_output_seconds", "length in seconds", seconds, limits.max_output_seconds),
            ("max_prompts", "number of prompts", num_prompts, limits.max_prompts),
            ("max_input_bytes", "size of a file in bytes", max(sizes), limits.max_input_bytes),
        )
        if value > most
    ]
    if faults:
        raise DocumentError(f"{document.name}: {'; '.join(faults)}", job=document.id)
