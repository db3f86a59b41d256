"""The prompt embedding in force: hard changes, transitions, and transitions overtaken by others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal
from rushes.presets.kinds import METHODS
from rushes.stream.blending import blend, interpolate, slerp
from rushes.stream.conditioning import Conditioning
from rushes.timeline.document import Prompt

SEEDS = {"boat": 1, "pond": 2, "fox": 3}


def embed(text: str) -> Tensor:
    return normal(1, 3, 4, seed=SEEDS[text])


def prompts(*texts: str) -> tuple[Prompt, ...]:
    return tuple(Prompt(text) for text in texts)


BOAT, POND, FOX = (prompts(text) for text in SEEDS)


@pytest.fixture
def conditioning() -> Conditioning:
    return Conditioning(embed)


def advance(
    conditioning: Conditioning, target: tuple[Prompt, ...], transition: float | None = None
) -> tuple[Tensor, bool]:
    return conditioning.advance(target, transition, "linear")


def test_the_first_prompts_are_in_force_at_once(conditioning: Conditioning) -> None:
    embedding, changed = advance(conditioning, BOAT)
    torch.testing.assert_close(embedding, embed("boat"))
    assert changed


def test_the_same_prompts_again_change_nothing(conditioning: Conditioning) -> None:
    first, _ = advance(conditioning, BOAT)
    again, changed = advance(conditioning, prompts("boat"))
    assert again is first
    assert not changed


def test_a_hard_change_takes_effect_at_once(conditioning: Conditioning) -> None:
    advance(conditioning, BOAT)
    embedding, changed = advance(conditioning, POND)
    torch.testing.assert_close(embedding, embed("pond"))
    assert changed


def test_a_return_to_earlier_prompts_takes_effect(conditioning: Conditioning) -> None:
    for target in (BOAT, POND):
        advance(conditioning, target)
    embedding, changed = advance(conditioning, BOAT)
    torch.testing.assert_close(embedding, embed("boat"))
    assert changed


def test_other_weights_of_the_same_texts_are_a_change(conditioning: Conditioning) -> None:
    embeddings = []
    for weight in (1.0, 3.0):
        target = (Prompt("boat", weight), Prompt("pond", 1.0))
        embedding, changed = advance(conditioning, target)
        assert changed
        embeddings.append(embedding)
    assert not torch.allclose(embeddings[0], embeddings[1])


def test_a_transition_runs_from_the_old_to_the_new_embedding(conditioning: Conditioning) -> None:
    advance(conditioning, BOAT)
    for weight in (0.0, 0.25, 0.5, 1.0):
        embedding, changed = advance(conditioning, POND, weight)
        expected = torch.lerp(embed("boat"), embed("pond"), weight)
        torch.testing.assert_close(embedding, expected)
        assert changed == (weight > 0)
    settled, changed = advance(conditioning, POND)
    torch.testing.assert_close(settled, embed("pond"))
    assert not changed


def test_a_transition_can_follow_a_sphere(conditioning: Conditioning) -> None:
    advance(conditioning, BOAT)
    embedding, _ = conditioning.advance(POND, 0.25, "slerp")
    torch.testing.assert_close(embedding, slerp(embed("boat"), embed("pond"), 0.25))


def test_a_new_target_in_mid_transition_starts_where_the_old_one_had_come_to(
    conditioning: Conditioning,
) -> None:
    advance(conditioning, BOAT)
    reached, _ = advance(conditioning, POND, 0.3)
    start, changed = advance(conditioning, FOX, 0.0)
    assert torch.equal(start, reached)
    assert not changed
    halfway, _ = advance(conditioning, FOX, 0.5)
    torch.testing.assert_close(halfway, (reached + embed("fox")) / 2)
    end, _ = advance(conditioning, FOX, 1.0)
    torch.testing.assert_close(end, embed("fox"))


def test_a_hard_change_cuts_a_transition_short(conditioning: Conditioning) -> None:
    advance(conditioning, BOAT)
    advance(conditioning, POND, 0.3)
    embedding, _ = advance(conditioning, FOX)
    torch.testing.assert_close(embedding, embed("fox"))


def test_a_transition_back_in_mid_transition_ends_where_the_first_began(
    conditioning: Conditioning,
) -> None:
    advance(conditioning, BOAT)
    advance(conditioning, POND, 0.5)
    advance(conditioning, BOAT, 0.5)
    embedding, _ = advance(conditioning, BOAT, 1.0)
    torch.testing.assert_close(embedding, embed("boat"))


def test_a_transition_with_nothing_before_it_is_at_its_target(conditioning: Conditioning) -> None:
    embedding, _ = advance(conditioning, BOAT, 0.0)
    torch.testing.assert_close(embedding, embed("boat"))


def test_after_forgetting_the_next_prompts_are_in_force_at_once(
    conditioning: Conditioning,
) -> None:
    advance(conditioning, BOAT)
    conditioning.forget()
    embedding, changed = advance(conditioning, POND, 0.1)
    torch.testing.assert_close(embedding, embed("pond"))
    assert changed


def test_prompts_of_a_block_are_blended_by_the_method_that_was_asked_for() -> None:
    target = (Prompt("boat", 30), Prompt("pond", 10))
    linear, turned = (Conditioning(embed, m).blended(target) for m in ("linear", "slerp"))
    torch.testing.assert_close(turned, slerp(embed("boat"), embed("pond"), 0.25))
    assert not torch.allclose(linear, turned)


def test_padding_is_left_out_and_does_not_count() -> None:
    """Prompts of different lengths mix as if both were padded to the network's length."""
    whole = {"short": torch.zeros(1, 6, 4), "long": torch.zeros(1, 6, 4)}
    whole["short"][:, :2] = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(1))
    whole["long"][:, :5] = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(2))
    prompts = (Prompt("short", 1.0), Prompt("long", 3.0))
    mixed = Conditioning(whole.__getitem__).blended(prompts)
    expected = blend(list(whole.values()), torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(mixed, expected[:, :5])
    nothing = Conditioning(lambda text: torch.zeros(1, 6, 4)).blended(prompts[:1])
    assert nothing.shape == (1, 1, 4)
    for method in METHODS:
        following = Conditioning(whole.__getitem__)
        following.advance(prompts[:1], None, method)
        turned, _ = following.advance(prompts[1:], 0.5, method)
        expected = interpolate(whole["short"], whole["long"], 0.5, method)
        torch.testing.assert_close(turned, expected[:, :5])
