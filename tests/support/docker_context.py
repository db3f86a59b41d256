"""What the Dockerfile's build stage sees and does, read without Docker.

Only the subset of the formats that our own files use: ``COPY`` of paths without options, one ``RUN
pip wheel``, and ignore rules made of ``*``, ``?``, ``**`` and ``!``.
"""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_EXPRESSIONS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def build_stage(dockerfile: str) -> list[list[str]]:
    """Return the instructions of the stage ``build``, each split into words."""
    stages: dict[str, list[list[str]]] = {}
    name = ""
    for line in dockerfile.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "FROM":
            name = words[-1]
        stages.setdefault(name, []).append(words)
    return stages["build"]


def wheel_command(stage: list[list[str]]) -> list[str]:
    """Return the command of the stage that builds the wheel: ``pip wheel`` and its arguments."""
    [command] = [words[1:] for words in stage if words[:3] == ["RUN", "pip", "wheel"]]
    return command


@dataclass(frozen=True)
class IgnoreRules:
    """The rules of a ``.dockerignore``: the last one that fits decides."""

    rules: tuple[tuple[re.Pattern[str], bool], ...]  # what it fits, whether that is ignored

    @classmethod
    def parse(cls, text: str) -> IgnoreRules:
        """Read the rules, one a line; lines that start with ``#`` are comments."""
        lines = [line.strip() for line in text.splitlines()]
        rules = [line for line in lines if line and not line.startswith("#")]
        return cls(tuple((_fits(rule.removeprefix("!")), rule[0] != "!") for rule in rules))

    def ignore(self, path: PurePosixPath) -> bool:
        """Whether Docker would leave out this path, relative to the root of the context."""
        names = [str(place) for place in (path, *path.parents)]
        verdicts = [
            is_ignored for fits, is_ignored in self.rules if any(fits.fullmatch(n) for n in names)
        ]
        return bool(verdicts) and verdicts[-1]


def _fits(pattern: str) -> re.Pattern[str]:
    parts = _TOKENS.findall(pattern.strip("/"))
    return re.compile("".join(_EXPRESSIONS.get(part) or re.escape(part) for part in parts))


def copy_context(root: Path, stage: list[list[str]], ignored: IgnoreRules, target: Path) -> None:
    """Copy below ``target`` what the stage's ``COPY`` lines take from ``root``.

    Raises: FileNotFoundError when a line names what is missing or ignored, as Docker does.
    """
    for words in stage:
        if words[0] != "COPY":
            continue
        *sources, destination = words[1:]
        for source in sources:
            if not _copy(root, PurePosixPath(source), ignored, target / destination, destination):
                raise FileNotFoundError(f"COPY {source}: it is missing, or .dockerignore hides it")


def _copy(
    root: Path, source: PurePosixPath, ignored: IgnoreRules, target: Path, destination: str
) -> int:
    """Copy a file, or what a folder holds; return the number of files."""
    place = root / source
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    kept = [file for file in files if not ignored.ignore(PurePosixPath(file.relative_to(root)))]
    for file in kept:
        name = file.name if destination.endswith("/") else ""
        copy = target / (name if place.is_file() else file.relative_to(place))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return len(kept)
