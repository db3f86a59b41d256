"""Where positions end: a new start, or back into the window; against the rule written slowly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renders.plans import chain, document, plan, resets
from rushes.errors import ConfigError
from rushes.presets.kinds import Positions
from rushes.presets.preset import load_preset
from rushes.timeline.plan.profiles import PROFILES, ProfileName
from rushes.timeline.plan.render_plan import RenderPlan

PRESET = load_preset("tiny")
FIVE_MINUTES = document(*chain(0, 300), manageCache=False)


def long_plan(profile: ProfileName, positions: Positions | None, **options: object) -> RenderPlan:
    return plan(FIVE_MINUTES, PRESET, profile=profile, positions=positions, fps=16, **options)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_rewind_is_upstreams_with_any_profile(profile: ProfileName) -> None:
    """sdv2 looks at a chunk's start: at 50 or more it becomes the last place of the window."""
    made = long_plan(profile, "rewind")
    position = 0
    for chunk in made.chunks:
        position = 5 if position >= 50 else position
        assert (chunk.position, chunk.reset) == (position, chunk.index == 0)
        position += chunk.num_latent_frames


def test_the_noise_goes_on_over_a_rewind() -> None:
    straight, rewound = long_plan("scope", "reset"), long_plan("scope", "rewind")
    assert [chunk.seed for chunk in rewound.chunks[:1000]] == [
        chunk.seed for chunk in straight.chunks[:1000]
    ]
    assert len({chunk.seed for chunk in rewound.chunks}) == len(rewound.chunks)


@pytest.mark.parametrize(("profile", "positions"), [("scope", None), ("upstream", "reset")])
def test_a_reset_comes_before_the_rotary_table_ends(
    profile: ProfileName, positions: Positions | None
) -> None:
    made = long_plan(profile, positions)
    assert resets(made) == [0, 1022]
    assert [made.chunks[index].position for index in (1021, 1022, 1023)] == [1022, 0, 2]


def test_a_reset_where_the_profile_has_one_stays_there() -> None:
    assert resets(long_plan("scope-2025-10", "reset")) == resets(long_plan("scope-2025-10", None))
    assert resets(long_plan("scope-2025-10", None))[1] == 511


@given(
    times=st.lists(st.integers(1, 299), min_size=1, max_size=6, unique=True),
    positions=st.sampled_from([None, "reset", "rewind"]),
    profile=st.sampled_from(sorted(PROFILES)),
)
@settings(max_examples=40, deadline=None)
def test_positions_follow_the_slow_rule_through_prompt_changes(
    times: list[int], positions: Positions | None, profile: ProfileName
) -> None:
    data = document(*chain(0, *sorted(times), 300), inputMode="video")
    made = plan(data, PRESET, profile=profile, positions=positions, fps=16)
    rewinds = positions == "rewind" or (positions is None and profile.startswith("upstream"))
    for before, after in pairwise(made.chunks):
        following = before.position + before.num_latent_frames
        if after.prompt_block == before.prompt_block and not rewinds:
            limit = 512 if profile == "scope-2025-10" else 1023
            assert after.reset == (following >= limit)
        if after.reset:
            assert after.position == 0
        else:
            assert after.position == (5 if rewinds and following >= 50 else following)


def test_the_command_line_wins_over_ext_and_that_over_the_profile() -> None:
    data = document(*chain(0, 70), ext={"positions": "rewind"})
    assert plan(data, PRESET).positions == "rewind"
    assert plan(data, PRESET, positions="reset").positions == "reset"
    assert plan(document(*chain(0, 70)), PRESET).positions is None


def test_other_models_have_rules_of_their_own() -> None:
    data = document(*chain(0, 6), inputMode="text", ext={"positions": "rewind"})
    assert plan(data, load_preset("longlive-tiny")).positions is None
    with pytest.raises(ConfigError, match=r"longlive-tiny.* leave --positions out"):
        plan(data, load_preset("longlive-tiny"), positions="rewind")
