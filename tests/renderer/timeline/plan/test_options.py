"""What a user typed becomes options, or one message that names every fault."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes.timeline.plan.options import PlanOptions, make_options


class TestOptions:
    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"fps": "fast"}, "fps"),
            ({"fps": 0}, "fps"),
            ({"fps": "1e99999999"}, "fps"),
            ({"duration": "long"}, "duration"),
            ({"duration": 0}, "duration"),
            ({"seed": -1}, "seed"),
            ({"width": 500}, "width"),
            ({"height": 8}, "height"),
            ({"denoising_steps": (1, 2)}, "denoising_steps"),
            ({"noise_scale": 2}, "noise_scale"),
            ({"mode": "image"}, "mode"),
            ({"profile": "other"}, "profile"),
            ({"colour": "red"}, "colour"),
        ],
        ids=str,
    )
    def test_a_wrong_option_is_named(self, values: dict[str, Any], name: str) -> None:
        with pytest.raises(ConfigError, match=name) as caught:
            make_options(**values)
        assert caught.value.field == name
        assert "\n" not in str(caught.value)

    def test_the_message_has_the_value_and_what_to_write_instead(self) -> None:
        with pytest.raises(ConfigError) as caught:
            make_options(duration="0", seed=-5)
        assert str(caught.value) == (
            "duration is 0; write seconds above 0 and up to 604800, 'timeline' or 'input'; "
            "seed is -5; write an integer of 0 to 9223372036854775807"
        )

    def test_options_survive_json(self) -> None:
        options = make_options(fps="30000/1001", duration=12.3, denoising_steps=(700, 500))
        assert options.duration == Fraction(123, 10)
        assert PlanOptions.model_validate_json(options.model_dump_json()) == options
