"""The request: where its results lie, and that it survives a trip as JSON."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rushes.rendering.request import RenderRequest
from rushes.timeline.plan.options import PlanOptions


def request(**more: Any) -> RenderRequest:
    return RenderRequest(timeline=Path("a.json"), output=Path("out/a.mp4"), preset="tiny", **more)


def test_manifest_and_sheet_lie_beside_the_result_behind_its_whole_name() -> None:
    assert request().manifest_path == Path("out/a.mp4.json")
    assert request().sheet_path == Path("out/a.mp4.png")


def test_a_request_comes_back_from_json_equal() -> None:
    plan = PlanOptions(fps=Fraction(30000, 1001), duration=Fraction(1, 3), seed=7, width=64)
    sent = request(input=Path("in.mp4"), options=plan, crf=20, audio="none", fit="crop")
    assert RenderRequest.model_validate_json(sent.model_dump_json()) == sent


@pytest.mark.parametrize("change", [{"fit": "bend"}, {"colour": "red"}, {"crf": "low"}], ids=str)
def test_a_wrong_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        request(**change)


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        request().seed = 1  # type: ignore[attr-defined]
