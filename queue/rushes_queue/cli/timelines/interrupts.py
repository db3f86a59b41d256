"""Ctrl-C and SIGTERM while something is rendered: its state is saved first, if that can be."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rushes_queue.cli.show.console import say


class Interrupts:
    """The signals that came so far.

    One that comes between the first chunk and the last waits for the end of its chunk, so that a
    save point can be written; a second one does not wait, and neither does one at another time.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._can_save = False

    def look(self, *, can_save: bool = False) -> None:
        """End the render if a signal came, or came and was dropped; called after each chunk.

        What a handler raises while a destructor runs, or a library in C imports another, is lost.
        Raises: StopRender so that it is saved first; KeyboardInterrupt.
        """
        from rushes.rendering.loop import StopRender

        self._can_save = can_save
        if self._is_asked:
            if self._can_save:
                raise StopRender("interrupted", save=True)
            raise KeyboardInterrupt

    def _take(self, *_: Any) -> None:
        is_second, self._is_asked = self._is_asked, True
        if is_second or not self._can_save:
            raise KeyboardInterrupt
        say("saves after this chunk; once more ends it at once")


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Let SIGTERM end a render as cleanly as Ctrl-C does, unless who started it ignores Ctrl-C."""
    interrupts = Interrupts()
    before = {
        each: signal.signal(each, interrupts._take)
        for each in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(each) is not signal.SIG_IGN
    }
    try:
        yield interrupts
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
