"""The DiT with its linear layers in fp8: from the same file, close to the same answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from renders.tiny_models import CPU, DIT, empty_cache, normal, random_prompt, tiny_dit
from rushes.models.cast_linear import CastLinear
from rushes.models.dit import CausalDit
from rushes.models.quantise import quantise_blocks
from rushes.models.rope import RotaryEmbedding


def flow(dit: CausalDit) -> Tensor:
    dtype = dit.patch_embedding.weight.dtype
    cache = empty_cache(frame_tokens=4, dtype=dtype)
    cache.begin_chunk(0, 2)
    rotary = RotaryEmbedding(DIT.head_dim).factors([0], 2, 2, 2)
    prompt = dit.prompt_keys(dit.embed_prompt(normal(1, 6, DIT.text_dim, seed=3).to(dtype)))
    latents = normal(1, 2, 16, 4, 4, seed=4).to(dtype)
    return dit(latents, torch.full((1, 2), 700.0), rotary, cache, prompt).float()


def test_the_linear_layers_of_blocks_are_fp8_and_nothing_else() -> None:
    dit = quantise_blocks(tiny_dit(), CPU, torch.bfloat16)
    narrow = [module for module in dit.blocks.modules() if isinstance(module, CastLinear)]
    assert len(narrow) == DIT.num_layers * 10
    assert {module.stored.dtype for module in narrow} == {torch.float8_e4m3fn}
    assert not any(isinstance(module, nn.Linear) for module in dit.blocks.modules())
    rest = {
        parameter.dtype
        for name, parameter in dit.named_parameters()
        if not name.endswith((".stored", ".scale"))
    }
    assert rest == {torch.bfloat16}


def test_the_answer_is_close_to_that_of_the_whole_weights() -> None:
    whole = flow(tiny_dit())
    for dtype in (torch.float32, torch.bfloat16):
        narrow = flow(quantise_blocks(tiny_dit(), CPU, dtype))
        error = (narrow - whole).square().mean().sqrt() / whole.std()
        assert 0 < error < 0.1, dtype


def test_a_prompt_goes_through_it_too() -> None:
    dit = quantise_blocks(tiny_dit(), CPU, torch.float32)
    assert random_prompt(dit).blocks[0][0].shape == (1, 6, 2, 12)
