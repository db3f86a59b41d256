"""A request beside the timeline: files, and how pictures are read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from rushes.errors import ConfigError, ConflictError, MissingFileError
from rushes.files.publish import require_folder
from rushes.presets.kinds import MOST_THREADS, GraphsChoice
from rushes.timeline.plan.options import PlanOptions
from rushes.timeline.plan.render_plan import RenderPlan
from rushes.video.names import name_beside, result_path
from rushes.video.read.fit import Deinterlace, Fit

MOST_TIMES = 16  # times that a result is enlarged
_LONGEST_SIDE = 8192  # pixels of an enlarged result; common encoders hold no more


class RenderRequest(BaseModel):
    """One result to make; ``options`` decide its chunks.

    ``audio`` is ``input``, ``none`` or a file; ``None`` leaves it to the timeline, as with
    ``codec`` and ``crf``. ``enlarge`` is how many times as wide and high as the rendered frames
    the pictures of the result are. So many ``threads`` compute on a CPU; ``None`` is the same
    number on every machine, ``machine_kind.THREADS_ON_CPU``. ``graphs`` are CUDA graphs of
    steps that are alike; the pictures are the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeline: Path
    output: Path
    input: Path | None = None
    options: PlanOptions = Field(
        default=PlanOptions(), validation_alias=AliasChoices("options", "plan")
    )
    preset: str
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = Field(default=None, ge=1, le=MOST_THREADS)
    graphs: GraphsChoice = "auto"
    fit: Fit = "stretch"
    deinterlace: Deinterlace = "auto"
    codec: str | None = None
    crf: int | None = None
    hardware_encoder: bool = False
    audio: str | None = None
    enlarge: int = Field(default=1, ge=1, le=MOST_TIMES)

    def to_dict(self, exclude: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return JSON-safe data; the options are called ``plan``, as in job documents."""
        dumped = self.model_dump(mode="json", exclude=set(exclude))
        dumped["plan"] = dumped.pop("options")
        return dumped

    @property
    def manifest_path(self) -> Path:
        """The manifest lies beside the result, with ``.json`` appended to its name."""
        return name_beside(self.output, ".json")

    @property
    def sheet_path(self) -> Path:
        """The contact sheet, likewise with ``.png``."""
        return name_beside(self.output, ".png")

    def file_path(self, name: str) -> Path:
        """Return where a file that a plan names lies: relative to the timeline, unless absolute."""
        return self.timeline.parent / name


def refuse_conflicts(request: RenderRequest, force: bool) -> None:
    """Check before hours of work that a result replaces no other, and not its own input.

    Raises: ConflictError; ConfigError when the result would replace its own source; WriteError when
    its folder does not exist.
    """
    result = result_path(request.output)
    steering = map(request.file_path, request.options.steering_files)
    given = [request.timeline, request.input, *steering]
    sources = {path.resolve() for path in given if path is not None}
    for path in (result, request.manifest_path, request.sheet_path):
        if path.resolve() in sources:
            raise ConfigError(f"{path}: the result would replace its own source; choose another -o")
        if path.is_dir() and (path == request.output or path != result):
            raise ConflictError(f"{path}: is a folder; choose another -o")
        is_empty = path.is_dir() and not any(path.iterdir())  # pictures may fill it
        if path.exists() and not is_empty and not force:
            raise ConflictError(f"{path}: is there already; choose another -o, or give --force")
    require_folder(result)


def refuse_too_large(plan: RenderPlan, request: RenderRequest) -> None:
    """Refuse to enlarge frames beyond what common encoders hold.

    Raises: ConfigError.
    """
    width, height = plan.width * request.enlarge, plan.height * request.enlarge
    if request.enlarge > 1 and max(width, height) > _LONGEST_SIDE:
        raise ConfigError(
            f"--enlarge {request.enlarge}: makes pictures of {width}x{height}; at most "
            f"{_LONGEST_SIDE} pixels a side can be written; give a smaller number",
            field="enlarge",
        )


def refuse_missing(plan: RenderPlan, request: RenderRequest) -> None:
    """Refuse a plan whose files are not all there.

    Raises: ConfigError when there is no input video though the plan takes one; MissingFileError
        that names all files that are not there.
    """
    if plan.takes_input and request.input is None:
        raise ConfigError(
            f"{request.timeline}: is video to video; give --input VIDEO, or --mode text"
        )
    paths = [request.file_path(name) for name in plan.steering_files]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise MissingFileError(
            f"{', '.join(missing)}: there is no such file to steer the render; check its name, or "
            "leave it out"
        )
