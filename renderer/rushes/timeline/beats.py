"""Places in beats, which become seconds before anything else reads a document.

``ext.bpm`` is the tempo. Beats stand as ``"8b"`` where ``ext`` has seconds, as ``startBeat`` and
``endBeat`` of blocks where ``ext.unit`` is ``beats``, and as ``beats`` of transitions. Beat 0 is
the timeline's start.

Source: rewbs/sd-parseq: README (beats at a tempo, ``4b``)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rushes.timeline.document import MICROSECONDS
from rushes.timeline.fields import is_number
from rushes.timeline.problems import Problems, describe

UNIT, TEMPO = "beats", "bpm"
LEAST_BPM, MOST_BPM = 1, 1000
_EDGES = {"start": "startBeat", "end": "endBeat"}
_BEATS = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*b\s*")


def beats_to_seconds(document: dict[str, Any], problems: Problems) -> None:
    """Write seconds instead of beats into a document that was read from JSON.

    What is wrong is reported and taken out, so that it is reported once.
    """
    ext = document.get("ext")
    if not isinstance(ext, dict):
        return
    converter = _Converter(_read_tempo(ext, problems), problems)
    schedules = ext.get("schedules")
    for name, keys in schedules.items() if isinstance(schedules, dict) else ():
        for index, key in enumerate(keys if isinstance(keys, list) else ()):
            if isinstance(key, dict):
                converter.text(key, "t", f"ext.schedules.{name}[{index}]")
    if isinstance(audio := ext.get("audio"), dict):
        converter.text(audio, "offset", "ext.audio")
    in_beats = ext.get("unit") == UNIT
    if in_beats:
        del ext["unit"]
    for path, block, times in _blocks(document):
        own = block.get("ext")
        if not isinstance(own, dict):
            own = {}
        converter.transition(own.get("transition"), f"{path}.ext.transition")
        for edge, key in _EDGES.items():
            if in_beats:
                block[times[edge]] = converter.number(own.pop(key, None), f"{path}.ext.{key}")
            elif own.pop(key, None) is not None:
                message = 'needs "unit": "beats" in the top-level ext'
                problems.error(f"{path}.ext.{key}", message)


def _read_tempo(ext: dict[str, Any], problems: Problems) -> Fraction | None:
    value = ext.pop(TEMPO, None)
    if value is None:
        return None
    if not is_number(value) or not LEAST_BPM <= value <= MOST_BPM:
        message = f"must be beats a minute, {LEAST_BPM} to {MOST_BPM}, is {describe(value)}"
        problems.error("ext.bpm", message, value)
        return Fraction(LEAST_BPM)
    return Fraction(value)


def _blocks(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield the blocks of either kind of file, with what their times are called."""
    timeline = document.get("timeline")
    entries = timeline.get("entries") if isinstance(timeline, dict) else None
    for path, blocks, times in (
        ("prompts", document.get("prompts"), {"start": "startTime", "end": "endTime"}),
        ("timeline.entries", entries, {"start": "start_time", "end": "end_time"}),
    ):
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            if isinstance(block, dict) and (path != "prompts" or entries is None):
                yield f"{path}[{index}]", block, times


class _Converter:
    """Turns beats into seconds at one tempo."""

    def __init__(self, bpm: Fraction | None, problems: Problems) -> None:
        self._bpm, self._problems = bpm, problems
        self._has_told = False

    def text(self, place: dict[str, Any], key: str, path: str) -> None:
        """Convert a text such as ``"8b"``; others are left as they are."""
        value = place.get(key)
        match = _BEATS.fullmatch(value) if isinstance(value, str) else None
        if match is not None:
            place[key] = self._seconds(Decimal(match[1]))

    def number(self, beats: Any, path: str) -> Decimal | None:
        """Return the seconds of a number of beats, which must be there."""
        if beats is None:
            self._problems.error(path, "is missing, and the unit is beats; add it")
        elif not is_number(beats) or not Decimal(beats).is_finite():
            self._problems.error(path, f"must be a number of beats, is {describe(beats)}", beats)
        else:
            return self._seconds(Decimal(beats))
        return Decimal(0)

    def transition(self, transition: Any, path: str) -> None:
        """Convert the length of a transition."""
        if isinstance(transition, dict) and transition.get("beats") is not None:
            beats = self.number(transition.pop("beats"), f"{path}.beats")
            if transition.get("seconds") is not None:
                self._problems.error(path, "has seconds and beats; one length is enough")
            transition["seconds"] = beats

    def _seconds(self, beats: Decimal) -> Decimal:
        if self._bpm is None:
            if not self._has_told:
                self._problems.error("ext.bpm", "is missing; write the tempo of the beats there")
            self._has_told = True
            return Decimal(0)
        microseconds = round(Fraction(beats) * 60 * MICROSECONDS / self._bpm)
        return Decimal(microseconds) / MICROSECONDS
