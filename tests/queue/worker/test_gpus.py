"""Which GPU a worker takes, and which jobs it can have there."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes_queue.worker.gpus import Gpu, choose_gpu, list_gpus

GIB = 2**30


class Driver:
    """Stands for NVIDIA's driver, with these cards."""

    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, *cards: tuple[Any, Any, int], is_there: bool = True) -> None:
        self.cards, self.is_there, self.is_open = cards, is_there, False

    def nvmlInit(self) -> None:
        if not self.is_there:
            raise self.NVMLError("no driver")
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> Any:
        return self.cards[handle][0]

    def nvmlDeviceGetName(self, handle: int) -> Any:
        return self.cards[handle][1]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=self.cards[handle][2])


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver(("GPU-a", "H200", 140 * GIB), (b"GPU-b", b"RTX 4090", 24 * GIB))
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return driver


@pytest.mark.parametrize(
    ("gib", "gpu_class"),
    [
        (141, "gpu80"),
        (79.2, "gpu80"),
        (74.9, "gpu48"),
        (47.5, "gpu48"),
        (43.9, "gpu24"),
        (23.7, "gpu24"),
        (21.9, "gpu16"),
        (14, "gpu16"),
        (13.9, "any"),
    ],
)
def test_a_card_is_of_the_largest_class_that_it_reaches(gib: float, gpu_class: str) -> None:
    assert Gpu(0, "GPU-a", "X", int(gib * GIB)).gpu_class == gpu_class


def test_the_driver_names_its_cards(two_cards: Driver) -> None:
    assert list_gpus() == (
        Gpu(0, "GPU-a", "H200", 140 * GIB),
        Gpu(1, "GPU-b", "RTX 4090", 24 * GIB),
    )
    assert not two_cards.is_open


def test_without_a_driver_there_are_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver(is_there=False))
    assert list_gpus() == ()
    assert choose_gpu("auto") is None
    with pytest.raises(ConfigError, match="--gpu 0: not on this machine; GPUs here: none"):
        choose_gpu("0")


@pytest.mark.parametrize(
    ("wanted", "index"), [("auto", 0), ("0", 0), ("1", 1), ("GPU-b", 1), ("cpu", None)]
)
@pytest.mark.usefixtures("two_cards")
def test_a_card_is_chosen_by_its_number_or_its_id(wanted: str, index: int | None) -> None:
    chosen = choose_gpu(wanted)
    assert (None if chosen is None else chosen.index) == index


@pytest.mark.parametrize("wanted", ["2", "-1", "", "H200"])
@pytest.mark.usefixtures("two_cards")
def test_a_card_that_is_not_here_is_refused_with_those_that_are(wanted: str) -> None:
    with pytest.raises(ConfigError, match=r"0 \(H200\), 1 \(RTX 4090\); or write cpu"):
        choose_gpu(wanted)
