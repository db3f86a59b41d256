"""Ctrl-C while something is rendered: when it ends at once, and when it is saved first."""

from __future__ import annotations

import signal

import pytest

from rushes.rendering.loop import StopRender
from rushes_queue.cli.timelines.interrupts import interruptible


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_was_dropped_is_raised_again() -> None:
    class Destroyed:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with interruptible() as interrupts:
        interrupts.look()
        Destroyed()
        with pytest.raises(KeyboardInterrupt):
            interrupts.look()


def test_between_two_chunks_it_is_saved_first() -> None:
    with interruptible() as interrupts:
        interrupts.look(can_save=True)
        signal.raise_signal(signal.SIGTERM)  # and nothing happens yet
        with pytest.raises(StopRender) as raised:
            interrupts.look(can_save=True)
    assert raised.value.save


def test_a_second_one_does_not_wait() -> None:
    with interruptible() as interrupts:
        interrupts.look(can_save=True)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("is_after_the_last", [True, False])
def test_where_nothing_can_be_saved_it_ends_at_once(is_after_the_last: bool) -> None:
    with interruptible() as interrupts:
        if is_after_the_last:
            interrupts.look(can_save=True)
            interrupts.look(can_save=False)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_handlers_are_those_of_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
