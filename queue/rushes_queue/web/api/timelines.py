"""``check``, ``convert``, ``plan``, ``draft`` and ``submit``: timelines that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

import rushes
from rushes.errors import RushesError, TransientError
from rushes.history.estimates import estimate
from rushes.history.rates import read_rates
from rushes.memory.memory_plan import estimate_plan
from rushes.presets.default import preset_of
from rushes.presets.preset import load_preset
from rushes.shots.checking import is_ok
from rushes.shots.inputs import describe_input, named_input
from rushes.shots.preview import preview_plan
from rushes.shots.sources import TimelineDocument
from rushes.shots.values import PlanValues, RenderValues, plan_options
from rushes.timeline.convert.convert import convert_prompt_map
from rushes.timeline.convert.prompt_maps import MapKind
from rushes.timeline.problems import Problem
from rushes.timeline.read.json_reading import MAX_BYTES
from rushes.timeline.read.load import refuse
from rushes.timeline.times import exact_rate
from rushes_queue.client.json_forms import to_json
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.jobs.queue_names import GpuClass, Priority
from rushes_queue.web.api.answers import Answer, errors_json
from rushes_queue.web.api.services import Services, WithServices
from rushes_queue.web.safety.hidden_places import REQUEST
from rushes_queue.web.state.job_sources import options_of
from rushes_queue.web.state.sources import SentTimeline, SourceFolder, opened_source

router = APIRouter(tags=["timelines"])

_FILES = ("control", "mask", "first_frame", "last_frame")  # options that name files
_MOST_TAKES = 1000
_DRAFT_PRESET = "pocket"  # small, and its weights come with rushes


class ReadOptions(BaseModel):
    """How a timeline is read, as the options of every command."""

    model_config = ConfigDict(extra="forbid")

    strict: bool = False
    allow_version: bool = False
    pipeline: str | None = None


class CheckRequest(SentTimeline, ReadOptions):
    """The arguments of ``rushes check``."""


class PlanRequest(SentTimeline):
    """The arguments of ``rushes plan``; ``input`` and files in ``options`` are names in ``files``.

    ``options`` are those of ``rushes.plan`` in Python.
    """

    input: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class SubmitRequest(PlanRequest):
    """The arguments of ``rushes submit``; ``format`` is the extension of the result."""

    format: Literal["mp4", "mkv", "mov", "webm", "gif", "png"] = "mp4"
    takes: Annotated[int, Field(ge=1, le=_MOST_TAKES)] | None = None
    seeds: Annotated[list[int], Field(min_length=1, max_length=_MOST_TAKES)] | None = None
    priority: Priority = "normal"
    tags: list[str] = Field(default=[])
    after: list[str] = Field(default=[])
    gpu_class: GpuClass = "any"
    notify: list[str] = Field(default=[])
    new: bool = False


@router.post("/check")
def check(services: WithServices, wanted: CheckRequest) -> Answer:
    """Check a timeline: every fault with its field and its cure."""
    how = wanted.model_dump(include=set(ReadOptions.model_fields) | {"preset"})
    with _opened(services, wanted) as source:
        problems = _foreign_names(services, wanted, source)
        if not problems:
            problems = rushes.check(source.file, folders=services.folders, **how)
        ok = is_ok(list(problems))
        report = {
            "file": wanted.name,
            "ok": ok,
            "preset": _preset_of(services, wanted, source) if ok else None,
            "problems": [problem.to_dict() for problem in problems],
        }
    return Answer(services, [report])


def _preset_of(services: Services, wanted: CheckRequest, source: SourceFolder) -> str:
    """Return the preset that renders a timeline, which is known to have no fault."""
    how = wanted.model_dump(include=set(ReadOptions.model_fields))
    found = rushes.load_timeline(source.file, folders=services.folders, **how)
    return wanted.preset or preset_of(wanted.pipeline or found.timeline.settings.pipeline_id)


class ConvertRequest(SentTimeline):
    """The arguments of ``rushes convert``. Units: ``length`` in frames."""

    kind: MapKind | None = None
    fps: str | int | None = None
    length: Annotated[int, Field(ge=1)] | None = None


@router.post("/convert")
def convert(services: WithServices, wanted: ConvertRequest) -> Answer:
    """Turn a prompt map of another tool into a timeline; what was lost is listed."""
    rate = None if wanted.fps is None else exact_rate(wanted.fps)
    if wanted.fps is not None and rate is None:
        raise rushes.ConfigError(f"fps: {wanted.fps!r} is not a frame rate; write 24")
    with _opened(services, wanted) as source, source.file.open("rb") as file:
        converted = convert_prompt_map(
            file.read(MAX_BYTES + 1),
            kind=wanted.kind,
            fps=rate,
            length=wanted.length,
            source=wanted.name,
        )
    problems = [problem.to_dict() for problem in converted.problems]
    return Answer(services, {"timeline": converted.document, "problems": problems})


@router.post("/plan")
def plan(services: WithServices, wanted: PlanRequest) -> Answer:
    """Plan a timeline: every chunk, and what memory, time and disk it takes."""
    with _opened(services, wanted) as source:
        document = _open(services, wanted, source)
        made = rushes.plan(
            source.file,
            preset=_preset(wanted, source),
            input=_input(wanted, source),
            folders=services.folders,
            **_options(wanted, source),
        )
        pipeline = wanted.options.get("pipeline") or document.timeline.settings.pipeline_id
        chosen = load_preset(_preset(wanted, source) or preset_of(pipeline))
        estimates = estimate(made, chosen.name, read_rates(services.folders.cache))
        options = plan_options(**_options(wanted, source))
        named = named_input(document.timeline, source.file.parent, options, chosen)
        video = _input(wanted, source) or named
        found = {
            "memory": estimate_plan(chosen, made).to_dict(),
            "estimates": [asdict(each) for each in estimates],
            "input": None if video is None else describe_input(Path(video), made).to_dict(),
        }
        return Answer(services, made.to_dict() | found)


@router.post("/draft", response_class=Response)
def draft(services: WithServices, wanted: PlanRequest) -> Response:
    """Draw the first chunk of every block on one sheet, a PNG, as ``rushes plan --draft`` does.

    One at a time, on a CPU: another one that is asked for meanwhile is answered with 503.
    """
    if not services.drafting.acquire(blocking=False):
        raise TransientError("another draft is being drawn; ask again in a few seconds")
    try:
        with _opened(services, wanted) as source:
            sheet = _draw_draft(services, wanted, source)
    finally:
        services.drafting.release()
    return Response(sheet, media_type="image/png", headers={"cache-control": "no-store"})


def _draw_draft(services: Services, wanted: PlanRequest, source: SourceFolder) -> bytes:
    """Plan the take, so that it is refused as a plan is, and draw its draft."""
    from rushes.shots.draft import draft_options, draft_sheet  # late: it loads torch

    document = _open(services, wanted, source)
    options = plan_options(**_options(wanted, source))
    pipeline = wanted.options.get("pipeline") or document.timeline.settings.pipeline_id
    _, video = preview_plan(
        *(document.timeline, source.file),
        *(load_preset(_preset(wanted, source) or preset_of(pipeline)), options),
        video=_input(wanted, source),
        lora_folders=services.folders.loras,
    )
    small = load_preset(_DRAFT_PRESET)
    with TemporaryDirectory(prefix=REQUEST, dir=services.requests_folder) as folder:
        sheet = Path(folder) / "draft.png"
        draft_sheet(
            *(sheet, document.timeline, source.file, small, draft_options(options, small)),
            folders=services.folders,
            video=video,
            device="cpu",  # GPUs are for the workers
        )
        return sheet.read_bytes()


@router.post("/submit")
def submit(services: WithServices, wanted: SubmitRequest) -> Answer:
    """Queue a timeline: a job for each take or seed."""
    jobs = wanted.model_dump(
        include={"takes", "seeds", "priority", "tags", "after", "gpu_class", "notify", "new"}
    )
    faults: list[RushesError] = []
    with _opened(services, wanted) as source:
        _open(services, wanted, source)
        submitted = services.backend.submit(
            source.file,
            preset=_preset(wanted, source),
            input=_input(wanted, source),
            output=Path(f"{source.file.stem}.{wanted.format}"),
            folders=services.folders,
            **jobs,
            **_options(wanted, source),
        )
    services.feed.look_now()
    listed = list(map(to_json, submitted))
    return Answer(
        services,
        {"schema_version": SCHEMA_VERSION, "jobs": listed, "errors": errors_json(faults)},
    )


def _open(services: Services, wanted: PlanRequest, source: SourceFolder) -> TimelineDocument:
    """Read the timeline, and refuse what it names outside of its folder.

    Raises: TimelineError; MissingFileError.
    """
    document = rushes.load_timeline(
        source.file, pipeline=wanted.options.get("pipeline"), folders=services.folders
    )
    if problems := source.problems_of(document.timeline):
        refuse(problems, wanted.name)
    return document


def _foreign_names(
    services: Services, wanted: CheckRequest, source: SourceFolder
) -> Sequence[Problem]:
    """Return what stands against the names in a timeline, if it can be read at all."""
    how = wanted.model_dump(include=set(ReadOptions.model_fields))
    try:
        document = rushes.load_timeline(source.file, folders=services.folders, **how)
    except RushesError:
        return []  # whatever is wrong is listed by the check
    return source.problems_of(document.timeline)


def _opened(services: Services, wanted: SentTimeline) -> AbstractContextManager[SourceFolder]:
    return opened_source(wanted, services.uploads, services.requests_folder, services.backend)


def _input(wanted: PlanRequest, source: SourceFolder) -> Path | None:
    return source.video if wanted.input is None else source.place(wanted.input, "input")


def _preset(wanted: PlanRequest, source: SourceFolder) -> str | None:
    return wanted.preset or (source.again.preset if source.again else None)


def _options(wanted: PlanRequest, source: SourceFolder) -> Any:
    """Return the options with files of this request for the names that were sent.

    Of a job that is rendered again they are its own, as far as no others are given.
    Raises: ConfigError for files that did not come with it, and for options that are not known.
    """
    options = dict(wanted.options)
    allowed = _SUBMIT_OPTIONS if isinstance(wanted, SubmitRequest) else _PLAN_OPTIONS
    if unknown := sorted(set(options) - allowed):
        raise rushes.ConfigError(f"options: {', '.join(unknown)[:200]} are not known here")
    if source.again is not None:
        before = {name: each for name, each in options_of(source.again).items() if name in allowed}
        are_seeds_given = isinstance(wanted, SubmitRequest) and (wanted.seeds or wanted.takes)
        if are_seeds_given or wanted.timeline is not None:  # whose own seed counts
            before.pop("seed", None)
        options = before | options
    for name in _FILES:
        if options.get(name) is not None:
            options[name] = source.place(str(options[name]), name)
    if references := options.get("references"):
        options["references"] = [source.place(str(name), "references") for name in references]
    if options.get("audio") not in (None, "input", "none"):
        options["audio"] = str(source.place(str(options["audio"]), "audio"))
    return options


_PLAN_OPTIONS = frozenset(PlanValues.__annotations__)
_SUBMIT_OPTIONS = frozenset(RenderValues.__annotations__) - {"device"}
