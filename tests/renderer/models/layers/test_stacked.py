"""Products of several layers at once, against the layers one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from renders.tiny_models import DIT, empty_cache, normal, random_prompt, tiny_dit
from rushes.models.dit import CausalDit
from rushes.models.layers.stacked import StackedLinear
from rushes.models.rope import RotaryEmbedding

ROTARY = RotaryEmbedding(DIT.head_dim)
LATENTS = normal(1, 1, 16, 4, 4)


@contextmanager
def layers_apart(dit: CausalDit) -> Iterator[None]:
    """Keep the layers of attention from being stacked, as LoRAs that are not merged do."""
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, output: output)
        for name, layer in dit.named_modules()
        if name.endswith(("self_attn.q", "self_attn.v"))
    ]
    yield
    for hook in hooks:
        hook.remove()


def flow(dit: CausalDit, timesteps: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    cache = empty_cache(frame_tokens=4, dtype=dtype)
    prompt = random_prompt(dit)
    for start in range(2):
        cache.begin_chunk(start, 1)
        rotary = ROTARY.factors([start], 1, 2, 2)
        result = dit(LATENTS.to(dtype), timesteps, rotary, cache, prompt)
    return result


@torch.inference_mode()
def test_stacked_layers_compute_what_they_do_apart() -> None:
    dit = tiny_dit()
    timesteps = torch.tensor([[500.0]])
    stacked = flow(dit, timesteps)
    with layers_apart(dit):
        torch.testing.assert_close(flow(dit, timesteps), stacked, rtol=1e-5, atol=2e-6)


def test_layers_become_views_of_one_stack_and_a_change_in_place_changes_it() -> None:
    q, k = nn.Linear(4, 3), nn.Linear(4, 2)
    x, before = normal(5, 4), [layer.weight.detach().clone() for layer in (q, k)]
    stack = StackedLinear(q, k)
    with torch.inference_mode():
        tensors = stack.tensors()
        assert tensors is not None
        together = nn.functional.linear(x, *tensors)
        torch.testing.assert_close(together, torch.cat((q(x), k(x)), dim=1))
    assert all(
        torch.equal(layer.weight, weight) for layer, weight in zip((q, k), before, strict=True)
    )
    assert k.weight.data_ptr() == tensors[0][3:].data_ptr()
    with torch.no_grad():
        k.weight.fill_(2)
    assert tensors[0][3:].eq(2).all()


def test_layers_that_moved_are_stacked_again() -> None:
    q, k = nn.Linear(4, 3), nn.Linear(4, 2)
    stack = StackedLinear(q, k)
    with torch.no_grad():
        stack.tensors()
        q.to(torch.bfloat16), k.to(torch.bfloat16)
        tensors = stack.tensors()
    assert tensors is not None
    assert tensors[0].dtype == torch.bfloat16


def test_layers_in_training_or_with_a_hook_stay_apart() -> None:
    q, k = nn.Linear(4, 3), nn.Linear(4, 2)
    stack = StackedLinear(q, k)
    assert stack.tensors() is None
    q.register_forward_hook(lambda _module, _inputs, output: output)
    with torch.no_grad():
        assert stack.tensors() is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.inference_mode()
def test_one_timestep_for_all_frames_equals_one_for_each(dtype: torch.dtype) -> None:
    """The first is the weight and bias of the norms, the second is multiplied and added."""
    dit = tiny_dit().to(dtype)
    cache = empty_cache(frame_tokens=4, dtype=dtype)
    prompt = random_prompt(dit.float())
    dit = dit.to(dtype)
    prompt = type(prompt)(tuple((k.to(dtype), v.to(dtype)) for k, v in prompt.blocks))
    cache.begin_chunk(0, 2)
    rotary = ROTARY.factors([0], 2, 2, 2)
    latents = normal(1, 2, 16, 4, 4).to(dtype)
    one, each = (
        dit(latents, torch.full((1, count), 400.0), rotary, cache, prompt) for count in (1, 2)
    )
    tolerance = 2e-6 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(one, each, rtol=1e-5, atol=tolerance)


@torch.inference_mode()
def test_rows_whose_keys_alone_are_wanted_leave_the_same_keys() -> None:
    dit = tiny_dit()
    caches = [empty_cache(frame_tokens=4) for _ in range(2)]
    prompt, rotary, timesteps = random_prompt(dit), ROTARY.factors([0], 1, 2, 2), torch.zeros(1, 1)
    for num_clean, cache in enumerate(caches):
        cache.begin_chunk(0, 1)
        left = dit(LATENTS, timesteps, rotary, cache, prompt, None, num_clean)
        assert len(left) == 1 - num_clean
    assert torch.equal(caches[0].frames, caches[1].frames)
