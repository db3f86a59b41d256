"""The job document: all that a worker needs to render one result, as JSON without paths.

It is treated as untrusted input. A worker leaves documents of a newer schema version to others, so
every field that is added raises the version in ``versions``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from rushes.errors import ConfigError
from rushes.models.adapters.header import config_name
from rushes.presets.kinds import MOST_THREADS
from rushes.rendering.request import MOST_TIMES, RenderRequest
from rushes.text import printable, shortened
from rushes.timeline.document import MOST_FILES
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.timeline.plan.versions import oldest_form
from rushes.video.read.fit import Deinterlace, Fit
from rushes_queue.errors import DocumentError, NewerDocumentError
from rushes_queue.jobs.find_id import JOB_ID_PATTERN
from rushes_queue.jobs.plan_document import check_plan, steering_names, unknown_fields
from rushes_queue.jobs.queue_names import PRESET_PATTERN, GpuClass, Priority
from rushes_queue.jobs.versions import JOB_VERSION, newer_version, upgrade_job
from rushes_queue.storage.blobs import BlobRef
from rushes_queue.text_fields import FileName, Line

SCHEMA_VERSION: Final = JOB_VERSION
MAX_BYTES = 64 * 2**20  # the plan of ten hours has about 40 MiB

_MOST_FAULTS = 8  # of a document that a message names

JobId = Annotated[str, StringConstraints(pattern=rf"^{JOB_ID_PATTERN}$")]
Tag = Annotated[Line, StringConstraints(min_length=1, max_length=64)]
Url = Annotated[Line, StringConstraints(pattern=r"^https?://", max_length=2000)]
Extension = Literal[".mp4", ".mkv", ".mov", ".webm", ".gif", ".png"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Submitter(_Data):
    """Who submitted the job, and with which version of this program."""

    version: Annotated[Line, StringConstraints(max_length=64)]
    user: Annotated[Line, StringConstraints(max_length=255)]
    host: Annotated[Line, StringConstraints(max_length=255)]


class JobRequest(_Data):
    """The parts of a render request that change the result, apart from preset and files.

    ``plan`` holds the options of the plan. ``audio`` is ``file`` when the sound comes from a
    separate file; ``None`` leaves it to the timeline.
    """

    plan: PlanOptions = PlanOptions()
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: int | None = Field(default=None, ge=1, le=MOST_THREADS)
    fit: Fit = "stretch"
    deinterlace: Deinterlace = "auto"
    codec: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")] | None = None
    crf: int | None = Field(default=None, ge=0, le=255)
    hardware_encoder: bool = False
    audio: Literal["input", "none", "file"] | None = None
    enlarge: int = Field(default=1, ge=1, le=MOST_TIMES)
    extension: Extension = ".mp4"

    @classmethod
    def from_request(cls, request: RenderRequest) -> Self:
        """Return the parts of a request that change the result.

        Raises: ConfigError when it cannot be a job.
        """
        audio = request.audio
        values = {
            "plan": request.options.without_folders(),
            "dtype": request.dtype,
            "threads": request.threads,
            "fit": request.fit,
            "deinterlace": request.deinterlace,
            "codec": request.codec,
            "crf": request.crf,
            "hardware_encoder": request.hardware_encoder,
            "audio": audio if audio in ("input", "none", None) else "file",
            "enlarge": request.enlarge,
            "extension": request.output.suffix.lower(),
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"this cannot be submitted as a job: {_faults(error)}") from error


class JobDocument(_Data):
    """One job, as it lies in storage.

    ``plan`` is what ``RenderPlan.to_dict`` returns, of a plan without paths (``portable_plan``).
    ``audio`` is the sound file that the request or else the timeline names. ``files`` are the
    LoRAs of the plan with the settings beside them, and what steers it through VACE, under the
    names that the plan has.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    id: JobId
    created_at: AwareDatetime
    submitter: Submitter
    name: FileName  # the timeline's, without its extension
    request: JobRequest = JobRequest()
    plan: Annotated[dict[str, Any], AfterValidator(check_plan)]
    timeline: BlobRef
    input: BlobRef | None = None
    audio: BlobRef | None = None
    files: tuple[BlobRef, ...] = Field(default=(), max_length=MOST_FILES)
    preset: Annotated[str, StringConstraints(pattern=rf"^{PRESET_PATTERN}$")]
    gpu_class: GpuClass = "any"
    seed: int = Field(ge=0)
    take: int = Field(default=0, ge=0, le=1_000_000)
    tags: tuple[Tag, ...] = Field(default=(), max_length=32)
    priority: Priority = "normal"
    after: tuple[JobId, ...] = Field(default=(), max_length=100)
    notify: tuple[Url, ...] = Field(default=(), max_length=8)

    _content_sha256: str | None = PrivateAttr(default=None)

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Make the document of a new job.

        Raises: ConfigError that names what cannot be part of a job.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"this cannot be a job: {_faults(error)}") from error

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.seed != self.plan["seed"]:
            raise ValueError(f"seed {self.seed} differs from the plan's {self.plan['seed']}")
        if bool(self.plan["takes_input"]) != (self.input is not None):
            raise ValueError("input contradicts the plan's takes_input")
        if self._needs_audio_file != (self.audio is not None):
            raise ValueError("audio contradicts what request and plan say about the sound")
        if self.request.audio == "input" and self.input is None:
            raise ValueError("request.audio is 'input', but there is no input")
        self._check_files()
        return self

    def _check_files(self) -> None:
        names = [ref.name for ref in self.files]
        wanted = steering_names(self.plan)
        if len(set(names)) < len(names):
            raise ValueError("files has two entries with the same name")
        if not wanted <= set(names) <= wanted | self.lora_names | self.lora_config_names:
            raise ValueError("files differ from those that the plan names")
        beside = [ref for ref in (self.timeline, self.audio) if ref is not None]
        for ref in self.files:
            if any(ref.name == other.name and ref.sha256 != other.sha256 for other in beside):
                raise ValueError(f"files: {ref.name} is also the name of another file of the job")

    @property
    def lora_names(self) -> set[str]:
        """The file names of the plan's LoRAs."""
        return {str(lora["name"]) for lora in self.plan["loras"]}

    @property
    def lora_config_names(self) -> set[str]:
        """The names under which settings of the plan's LoRAs travel, if they lay beside them."""
        return {config_name(name) for name in self.lora_names}

    @property
    def _needs_audio_file(self) -> bool:
        if self.request.audio is not None:
            return self.request.audio == "file"
        return self.plan["audio"] is not None and self.plan["audio"]["source"] == "file"

    @property
    def num_chunks(self) -> int:
        """How many chunks the plan has."""
        return len(self.plan["chunks"])

    @property
    def num_frames(self) -> int:
        """How many frames the result has."""
        return int(self.plan["num_frames"])

    @property
    def content_sha256(self) -> str:
        """SHA-256 of everything that decides the result, but not of owner, time and priority."""
        return self._content_sha256 or _content_sha256_of(self.model_dump(mode="json"))

    def render_plan(self) -> RenderPlan:
        """Return the plan; its sound file has to be beside the timeline."""
        return RenderPlan.from_dict(self.plan)

    def to_request(
        self,
        *,
        timeline: Path,
        output: Path,
        input: Path | None = None,  # noqa: A002  (as in RenderRequest)
        audio: Path | None = None,
        device: str = "auto",
    ) -> RenderRequest:
        """Return the request with the paths of the files on this machine.

        Raises: ConfigError when a file is missing or unexpected, has the wrong extension, or when
        the
            timeline's own sound is not called ``audio.name`` and beside the timeline.
        """
        for name, path, ref in (("input", input, self.input), ("audio", audio, self.audio)):
            if (path is None) != (ref is None):
                raise ConfigError(f"job {self.id}: has {'no' if ref is None else 'an'} {name} file")
        if output.suffix != self.request.extension:
            raise ConfigError(f"{output}: job {self.id} makes a {self.request.extension} file")
        chosen: str | None = self.request.audio
        if chosen == "file":
            chosen = str(audio)
        elif audio is not None and self.audio is not None:
            if audio != timeline.parent / self.audio.name:
                raise ConfigError(f"{audio}: must be {timeline.parent / self.audio.name}")
        return RenderRequest(
            timeline=timeline,
            output=output,
            input=input,
            options=self.request.plan,
            preset=self.preset,
            device=device,
            dtype=self.request.dtype,
            threads=self.request.threads,
            fit=self.request.fit,
            deinterlace=self.request.deinterlace,
            codec=self.request.codec,
            crf=self.request.crf,
            hardware_encoder=self.request.hardware_encoder,
            enlarge=self.request.enlarge,
            audio=chosen,
        )

    def to_bytes(self) -> bytes:
        """Return the document as JSON.

        Raises: DocumentError when it is larger than what a worker would read.
        """
        data = canonical_json(self.model_dump(mode="json"))
        if len(data) > MAX_BYTES:
            raise DocumentError(
                f"job {self.id}: its plan needs {len(data) / 2**20:.0f} MiB, at most "
                f"{MAX_BYTES // 2**20} are allowed; split the timeline",
                job=self.id,
            )
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a document.

        Raises: NewerDocumentError when it is for newer workers; DocumentError when it is not valid.
        """
        fields = _read_object(data)
        version = newer_version(fields)
        if version is not None:
            raise NewerDocumentError(
                f"the job document has schema version {version}, this worker reads up to "
                f"{SCHEMA_VERSION}; update it",
                schema_version=version,
            )
        try:
            todays = upgrade_job(fields)
        except ValueError as error:
            _refuse(f"is wrong: {error}", error)
        if unknown := [*(set(todays) - set(cls.model_fields)), *unknown_fields(todays.get("plan"))]:
            raise _unknown_fields_error(unknown)
        try:
            document = cls.model_validate(todays)
        except ValidationError as error:
            if strange := [fault for fault in error.errors() if fault["type"] == "extra_forbidden"]:
                names = {".".join(map(str, fault["loc"])) for fault in strange}
                raise _unknown_fields_error(names) from error
            _refuse(_faults(error), error)
        # Of what was written: read into a newer model it could have more fields.
        document._content_sha256 = _content_sha256_of(fields)
        return document


def _unknown_fields_error(names: Iterable[str]) -> NewerDocumentError:
    named = shortened(printable(", ".join(sorted(names))))
    return NewerDocumentError(
        f"the job document has fields that this worker does not know ({named}); update it"
    )


def canonical_json(data: Any) -> bytes:
    """Return JSON that is the same for equal data: sorted keys, no spaces, plain UTF-8."""
    text = json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def _content_sha256_of(fields: Mapping[str, Any]) -> str:
    fields = oldest_form(fields)
    plan = {key: value for key, value in fields["plan"].items() if key != "warnings"}
    content = {
        **{name: fields.get(name) for name in ("preset", "request", "seed", "take")},
        **{name: _hash_of(fields.get(name)) for name in ("timeline", "input", "audio")},
        "plan": plan,
    }
    if files := fields.get("files"):
        content["files"] = sorted((ref["name"], ref["sha256"]) for ref in files)
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _hash_of(blob: Mapping[str, Any] | None) -> str | None:
    return None if blob is None else blob["sha256"]


def _read_object(data: bytes) -> dict[str, Any]:
    """Parse JSON of limited size and depth."""
    if len(data) > MAX_BYTES:
        _refuse(f"is larger than {MAX_BYTES // 2**20} MiB")
    try:
        fields = json.loads(data, parse_constant=_refuse_constant)
        if rb"\ud" in data.lower():
            canonical_json(fields)  # halves of surrogate pairs cannot be encoded
    except (ValueError, RecursionError) as error:
        _refuse(f"is not usable JSON: {error}", error)
    if not isinstance(fields, dict):
        _refuse("is not an object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _refuse(reason: str, cause: Exception | None = None) -> NoReturn:
    raise DocumentError(f"the job document {shortened(printable(reason), 1000)}") from cause


def _faults(error: ValidationError) -> str:
    """Name the first faults of a document, each with its place."""
    faults = error.errors(include_input=False, include_url=False)
    lines = [
        f"{'.'.join(map(str, fault['loc'])) or 'it'}: "
        + str(fault["msg"]).removeprefix("Value error, ")
        for fault in faults[:_MOST_FAULTS]
    ]
    more = len(faults) - len(lines)
    return "is wrong: " + "; ".join(lines) + (f"; and {more:,} more" if more else "")
