"""No path of this machine leaves it: what an answer or an error says of places is cut."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

REQUEST = "request-"  # how the folders of requests begin
_LEAST_PARTS = 3  # of a path that is hidden: "/tmp" alone is everywhere


class HiddenPlaces:
    """Folders whose paths are cut out of texts; what lies in them keeps its name.

    ``requests`` is the folder with one for each request, whose names are cut as well.
    """

    def __init__(self, folders: Iterable[Path | str], requests: Path | None = None) -> None:
        paths = {str(folder).rstrip("/") for folder in folders}
        known = [path for path in paths if path.count("/") >= _LEAST_PARTS - 1]
        self._texts = [
            text for path in sorted(known, key=len, reverse=True) for text in _spellings(path)
        ]

        spelled = [] if requests is None else map(re.escape, sorted(_spellings(str(requests))))
        each = "|".join(rf"{path}/{REQUEST}\w+/?" for path in spelled)
        self._requests = re.compile(each) if each else None

    def cut(self, text: str) -> str:
        """Return a text, or JSON, without the folders."""
        if self._requests is not None:
            text = self._requests.sub("", text)
        for path in self._texts:
            if path in text:
                text = text.replace(f"{path}/", "").replace(path, "…")
        return text


def _spellings(path: str) -> set[str]:
    """Return a path as it stands in texts, and in JSON."""
    return {path, json.dumps(path)[1:-1], json.dumps(path, ensure_ascii=False)[1:-1]}
