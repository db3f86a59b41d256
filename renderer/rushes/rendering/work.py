"""Where a render keeps its save points, so that it survives its process."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rushes.files.publish import make_folder
from rushes.rendering.save_points import SavePolicy, saved_chunks

_SECONDS_KEPT = 7 * 24 * 3600.0  # of a render that nobody takes up again


@dataclass(frozen=True)
class Work:
    """The folder of a render that may continue in another process: call ``render`` with it again.

    ``on_saved`` is called, in a thread of its own, with the folder of each new save point.
    """

    folder: Path
    policy: SavePolicy
    on_saved: Callable[[Path], None] = lambda folder: None


class KeptWork:
    """The work of renders on this machine that ended early, each by what decides its result.

    With ``resume`` a render goes on from what an earlier one has left; else that is forgotten. A
    render that is completed leaves nothing.
    """

    def __init__(self, folder: Path, policy: SavePolicy, *, resume: bool) -> None:
        self._folder, self._policy, self._resume = folder, policy, resume
        self.saved_chunk: int | None = None  # that the latest render could go on from

    @contextmanager
    def open(self, identity: str) -> Iterator[Work | None]:
        """Yield the place of a render; None while another process makes the same one.

        Raises: WriteError when there can be no folder.
        """
        _remove_old(self._folder)
        place = make_folder(self._folder / identity)
        with _locked(place) as is_ours:
            if not is_ours:
                yield None
                return
            if not self._resume:
                _empty(place)
            self._look(place)
            try:
                yield Work(place, self._policy, lambda saved: self._look(place))
            except BaseException:
                self._look(place)
                if self.saved_chunk is None:
                    shutil.rmtree(place, ignore_errors=True)
                raise
            shutil.rmtree(place, ignore_errors=True)
            self.saved_chunk = None

    def _look(self, place: Path) -> None:
        self.saved_chunk = max(saved_chunks(place / "saves"), default=None)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder for as long as this process lives; yields whether it was free."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        yield True
    finally:
        os.close(lock)


def _remove_old(folder: Path) -> None:
    for place in folder.glob("*"):
        with suppress(OSError):  # already gone
            if time.time() - place.stat().st_mtime > _SECONDS_KEPT:
                with _locked(place) as is_free:
                    if is_free:
                        shutil.rmtree(place, ignore_errors=True)


def _empty(place: Path) -> None:
    for each in place.iterdir():
        shutil.rmtree(each, ignore_errors=True)
