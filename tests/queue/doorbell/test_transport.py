"""Messages that are none are noted and dropped, before Celery trips over them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from rushes_queue.doorbell import transport
from rushes_queue.doorbell.transport import _check_body, on_unreadable, report_unreadable


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.setattr(transport, "_listeners", [])
    notes: list[tuple[str, str]] = []
    on_unreadable(lambda reason, message: notes.append((reason, message)))
    return notes


def message(body: Any, *, encoded: bool = True, task: bool = True) -> dict[str, Any]:
    text = json.dumps(body)
    return {
        "body": base64.b64encode(text.encode()).decode() if encoded else text,
        "headers": {"task": "rushes.render"} if task else None,
        "properties": {"body_encoding": "base64"} if encoded else {},
    }


@pytest.mark.parametrize("body", [[[], {}, {}], [[], {}, None], [[1], {"a": 2}, {"chain": None}]])
@pytest.mark.parametrize("encoded", [True, False])
def test_a_task_that_celery_can_take_apart_is_let_through(body: Any, encoded: bool) -> None:
    _check_body(message(body, encoded=encoded))


@pytest.mark.parametrize(
    "body", [[], {}, 5, None, "x", [[], {}], [{}, [], {}], [[], {}, 5]], ids=str
)
def test_a_task_that_celery_could_not_take_apart_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="its body is not"):
        _check_body(message(body))


def test_what_is_no_task_is_celerys_to_refuse() -> None:
    _check_body(message(5, task=False))


@pytest.mark.parametrize("text", ["{", "bm9uc2Vuc2U=", "\xff"])
def test_a_body_that_cannot_be_read_is_refused(text: str) -> None:
    broken = message([]) | {"body": text}
    with pytest.raises(ValueError, match=r".+"):
        _check_body(broken)


def test_every_listener_is_told_in_part(noted: list[tuple[str, str]]) -> None:
    report_unreadable("it is not JSON", "x" * 5000)
    ((reason, shown),) = noted
    assert reason == "it is not JSON"
    assert len(shown) == 1000


@pytest.mark.parametrize(
    "envelope",
    [{}, {"properties": None}, {"properties": {"delivery_info": {}}}, 5, None, []],
    ids=str,
)
def test_a_broken_envelope_is_noted_and_dropped(
    noted: list[tuple[str, str]], envelope: Any
) -> None:
    transport.Transport._deliver(object.__new__(transport.Transport), envelope, "tiny.any.high")
    assert len(noted) == 1
    assert noted[0][0].startswith("its envelope is broken: ")
