"""Loads a timeline or workflow file, or reports all its faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypedDict, Unpack

from rushes.errors import MissingFileError, TimelineError
from rushes.files.machine_folders import machine_folders
from rushes.presets.preset import Preset
from rushes.text import printable
from rushes.timeline.beats import beats_to_seconds
from rushes.timeline.document import Timeline
from rushes.timeline.fields import Fields
from rushes.timeline.loras import BESIDE
from rushes.timeline.names import timeline_name_fault
from rushes.timeline.nearby import Nearby
from rushes.timeline.pipelines import PipelineChoice
from rushes.timeline.problems import Problem, Problems, describe, short_value
from rushes.timeline.read.json_reading import MALFORMED, MAX_BYTES, read_json
from rushes.timeline.read.lifting import Lifted, lift_texts
from rushes.timeline.read.outside import refuse_outside
from rushes.timeline.read.prompt_lines import CONVERT
from rushes.timeline.read.timeline_file import read_timeline
from rushes.timeline.read.workflow_file import FORMAT, read_workflow

ASSETS = "assets"  # below the cache folder: files that documents carry, by their hashes
_OTHER_TOOLS = {"prompt_map", "animation_prompts", "rendered_frames"}  # keys of their files
KINDS = f'a timeline (an array "prompts") or a workflow ("format": "{FORMAT}")'


@dataclass(frozen=True, slots=True)
class LoadedTimeline:
    """The result of reading: the timeline, unless it has errors, and all problems."""

    timeline: Timeline | None
    problems: tuple[Problem, ...]
    source: str = "timeline"

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings and notes may remain."""
        return self.timeline is not None

    def require(self) -> Timeline:
        """Return the timeline, or raise all its errors.

        Raises: TimelineError with a line for each fault.
        """
        faults = [problem for problem in self.problems if problem.severity == "error"]
        if faults or self.timeline is None:
            refuse(faults, self.source)
        return self.timeline


def refuse(faults: Sequence[Problem], source: str) -> NoReturn:
    """Raise a TimelineError with a line for each fault."""
    message = "\n".join(f"{printable(source)}: {fault}" for fault in faults)
    raise TimelineError(message, path=source, field=faults[0].path)


class ReadOptions(TypedDict, total=False):
    """How strictly a document is read, and for which pipeline; see ``load_timeline``."""

    strict: bool
    allow_version: bool
    allow_outside: bool
    pipeline: str | None
    preset: Preset | None


def load_timeline(
    path: Path | str,
    *,
    lora_folders: Sequence[Path] = (),
    kept_at: Path | None = None,
    source: str | None = None,
    **options: Unpack[ReadOptions],
) -> LoadedTimeline:
    """Read a file of any known kind.

    ``strict`` turns unknown keys and sizes that would be rounded into errors; ``allow_version``
    accepts unknown versions; ``allow_outside`` accepts files outside the document's folder;
    ``pipeline`` is the pipeline to use instead of the file's, ``preset``
    is the preset to render with, if it was chosen already. ``kept_at`` is where its content is, if
    not at the path; ``source`` is its name in problems.
    Raises: MissingFileError when there is no such file.
    """
    source = source or str(path)
    assets = machine_folders().cache / ASSETS
    try:
        with opened_document(Path(kept_at or path), assets) as lifted:
            if fault := timeline_name_fault(Path(path)):
                name = short_value(Path(path).name)
                problem = Problem("", f"its file name {fault}; rename it", name)
                return LoadedTimeline(None, (problem,), source)
            return parse_timeline(
                lifted.data,
                nearby=Nearby(
                    lora_folders=(Path(path).parent / BESIDE, *lora_folders),
                    folder=Path(path).parent,
                    assets=assets,
                    lifted=lifted.texts,
                ),
                source=source,
                **options,
            )
    except FileNotFoundError as error:
        raise MissingFileError(f"{source}: there is no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = Problem("", f"cannot be read: {reason}")
        return LoadedTimeline(None, (problem,), source)


@contextmanager
def opened_document(path: Path, assets: Path) -> Iterator[Lifted]:
    """Yield the content of a file; media in one that is too large are lifted out of it."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        lifted = Lifted(file.read(MAX_BYTES + 1))
        if len(lifted.data) > MAX_BYTES:
            file.seek(0)
            lifted = stack.enter_context(lift_texts(file, assets, MAX_BYTES))
        yield lifted


def parse_timeline(
    data: str | bytes,
    *,
    lora_folders: Sequence[Path] = (),
    nearby: Nearby | None = None,
    source: str = "timeline",
    **options: Unpack[ReadOptions],
) -> LoadedTimeline:
    """Read a document from memory; the options are those of ``load_timeline``.

    ``nearby`` replaces ``lora_folders`` in the search for files that it names.
    """
    problems = Problems(strict=options.get("strict", False))
    timeline = None
    document = read_json(data, problems)
    reader = _choose_reader(document, problems) if document is not MALFORMED else None
    nearby = nearby or Nearby(lora_folders)
    if reader is not None:
        beats_to_seconds(document, problems)
        timeline = reader(
            Fields(document, "", problems),
            allow_version=options.get("allow_version", False),
            nearby=nearby,
            choice=PipelineChoice(options.get("pipeline"), options.get("preset")),
        )
        if not options.get("allow_outside"):
            refuse_outside(timeline, nearby, problems)
        problems.note_unknown_keys()
    found = tuple(problems)
    if timeline is None or problems.has_errors:
        return LoadedTimeline(None, found, source)
    warnings = tuple(str(problem) for problem in found if problem.severity == "warning")
    return LoadedTimeline(replace(timeline, warnings=warnings), found, source)


def _choose_reader(document: Any, problems: Problems) -> Callable[..., Timeline] | None:
    """Return the reader of the document's kind, or report that it is unknown."""
    if not isinstance(document, dict):
        problems.error("", f"must be an object, is {describe(document)}; give {KINDS}", document)
        return None
    if document.get("format") == FORMAT:
        return read_workflow
    prompts = document.get("prompts")
    if isinstance(prompts, list):
        return read_timeline
    if isinstance(prompts, dict):
        problems.error("prompts", f"must be an array; {CONVERT}", prompts)
        return read_timeline
    if document.keys() & _OTHER_TOOLS or _is_prompt_map(document):
        problems.error("", CONVERT, document)
    elif prompts is not None:
        problems.error("prompts", f"must be an array, is {describe(prompts)}", prompts)
        return read_timeline
    else:
        problems.error("", f"is of no known kind; give {KINDS}", document)
    return None


def _is_prompt_map(document: dict[str, Any]) -> bool:
    return any(key.strip().isdigit() for key in document)
