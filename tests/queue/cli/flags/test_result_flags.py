"""Options of a result are handed on."""

from __future__ import annotations

import pytest

from rushes_queue.cli.flags.result_flags import ResultFlags


def test_all_of_a_result_is_handed_on() -> None:
    flags = ResultFlags(
        preset="tiny",
        device="cpu",
        dtype="float32",
        threads=2,
        graphs="on",
        fit="crop",
        codec="h265",
        crf=7,
        hardware=True,
        audio="none",
        enlarge=4,
    )
    assert flags.values() == {
        "device": "cpu",
        "dtype": "float32",
        "threads": 2,
        "graphs": "on",
        "fit": "crop",
        "deinterlace": "auto",
        "codec": "h265",
        "crf": 7,
        "hardware_encoder": True,
        "audio": "none",
        "enlarge": 4,
    }


def test_the_number_of_threads_is_a_setting_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ResultFlags().values()["threads"] is None
    monkeypatch.setenv("RUSHES_THREADS", "3")
    assert ResultFlags().values()["threads"] == 3
    assert ResultFlags(threads=2).values()["threads"] == 2


def test_whether_graphs_are_used_is_a_setting_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ResultFlags().values()["graphs"] == "auto"
    monkeypatch.setenv("RUSHES_GRAPHS", "off")
    assert ResultFlags().values()["graphs"] == "off"
    assert ResultFlags(graphs="on").values()["graphs"] == "on"
