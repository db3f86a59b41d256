"""The causal DiT: what a chunk sees, what rows share, and the names and shapes of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from renders.tiny_models import (
    DIT,
    empty_cache,
    normal,
    prompt_keys,
    random_prompt,
    tiny_dit,
)
from rushes.errors import ShapeError
from rushes.models.caches.kv_cache import KVCache, RollingKVCache
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.layers.modulation import sinusoidal_embedding
from rushes.models.prompt_keys import PromptKeys
from rushes.models.rope import RotaryEmbedding

HEIGHT, WIDTH = 4, 6  # of the latents; two by three tokens
TOKENS = HEIGHT * WIDTH // 4
ROTARY = RotaryEmbedding(DIT.head_dim)


@pytest.fixture(scope="module")
def dit() -> CausalDit:
    return tiny_dit()


def latents(num_frames: int = 1, seed: int = 0) -> Tensor:
    return normal(1, num_frames, DIT.in_dim, HEIGHT, WIDTH, seed=seed)


def chunk_flow(
    dit: CausalDit,
    cache: RollingKVCache,
    chunk: Tensor,
    start_frame: int,
    prompt: PromptKeys | None = None,
    timestep: float = 500.0,
) -> Tensor:
    """Begin a chunk and make one pass over it."""
    num_frames = chunk.shape[1]
    cache.begin_chunk(start_frame, num_frames)
    factors = ROTARY.factors([start_frame], num_frames, HEIGHT // 2, WIDTH // 2)
    timesteps = torch.full(chunk.shape[:2], timestep)
    with torch.inference_mode():
        flow: Tensor = dit(chunk, timesteps, factors, cache, prompt or random_prompt(dit))
    return flow


# --- what a chunk sees ---------------------------------------------------------------------------


def test_the_flow_has_the_shape_of_the_latents(dit: CausalDit) -> None:
    chunk = latents(3)
    assert chunk_flow(dit, empty_cache(frame_tokens=TOKENS), chunk, 0).shape == chunk.shape


def test_frames_of_a_chunk_see_each_other(dit: CausalDit) -> None:
    chunk = latents(2)
    changed = torch.cat((chunk[:, :1], latents(1, seed=5)), dim=1)
    first, again = (
        chunk_flow(dit, empty_cache(frame_tokens=TOKENS), x, 0)[:, 0] for x in (chunk, changed)
    )
    assert (first - again).abs().max() > 1e-3


def test_a_chunk_sees_the_chunks_before_it(dit: CausalDit) -> None:
    flows = []
    for past in (latents(2, seed=1), latents(2, seed=2)):
        cache = empty_cache(frame_tokens=TOKENS)
        chunk_flow(dit, cache, past, 0)
        flows.append(chunk_flow(dit, cache, latents(1, seed=3), 2))
    assert (flows[0] - flows[1]).abs().max() > 1e-3


def test_a_later_chunk_changes_nothing_of_an_earlier_one(dit: CausalDit) -> None:
    cache = empty_cache(frame_tokens=TOKENS)
    earlier = chunk_flow(dit, cache, latents(2, seed=1), 0)
    kept_flow, kept_keys = earlier.clone(), cache.frames[:, :, :, :2].clone()
    chunk_flow(dit, cache, latents(1, seed=2), 2)
    assert torch.equal(earlier, kept_flow)
    assert torch.equal(cache.frames[:, :, :, :2], kept_keys)


def test_a_chunk_on_an_empty_cache_is_seen_from_any_start_frame_alike(dit: CausalDit) -> None:
    """Rotary positions are relative, so a stream can begin anywhere."""
    chunk = latents(2)
    flows = [chunk_flow(dit, empty_cache(frame_tokens=TOKENS), chunk, at) for at in (0, 700)]
    torch.testing.assert_close(flows[0], flows[1], rtol=1e-4, atol=1e-5)


def test_timestep_and_prompt_change_the_flow(dit: CausalDit) -> None:
    chunk, prompts = latents(), [random_prompt(dit, seed) for seed in (1, 2)]
    flows = [
        chunk_flow(dit, empty_cache(frame_tokens=TOKENS), chunk, 0, prompt, timestep)
        for prompt, timestep in ((prompts[0], 500.0), (prompts[0], 501.0), (prompts[1], 500.0))
    ]
    assert not torch.equal(flows[0], flows[1])
    assert not torch.equal(flows[0], flows[2])


# --- rows ----------------------------------------------------------------------------------------


@dataclass
class RowCaches:
    """A cache of its own for every row of a batch."""

    rotates_keys = False

    rows: list[RollingKVCache]

    def write(self, block: int, k: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        assert v is not None
        seen = [
            row.write(block, k[index : index + 1], v[index : index + 1])
            for index, row in enumerate(self.rows)
        ]
        return torch.cat([keys for keys, _ in seen]), torch.cat([values for _, values in seen])


@torch.inference_mode()
def test_rows_of_a_batch_do_not_influence_each_other(dit: CausalDit) -> None:
    """Each row has its position, timestep, prompt and cache; the flow is as if it were alone."""
    starts, timesteps = (0, 40), torch.tensor([[900.0, 900.0], [300.0, 100.0]])
    chunks = torch.cat([latents(2, seed=row) for row in (1, 2)])
    embeddings = torch.cat([normal(1, DIT.text_len, DIT.text_dim, seed=row) for row in (3, 4)])

    def flow(rows: list[int], cache: KVCache) -> Tensor:
        factors = ROTARY.factors([starts[row] for row in rows], 2, HEIGHT // 2, WIDTH // 2)
        keys = prompt_keys(dit, embeddings[rows])
        found: Tensor = dit(chunks[rows], timesteps[rows], factors, cache, keys)
        return found

    def caches() -> list[RollingKVCache]:
        made = [empty_cache(frame_tokens=TOKENS) for _ in starts]
        for row, (cache, start) in enumerate(zip(made, starts, strict=True)):
            chunk_flow(dit, cache, latents(1, seed=10 + row), start)  # a past of its own
            cache.begin_chunk(start, 2)
        return made

    together = flow([0, 1], RowCaches(caches()))
    for row, cache in enumerate(caches()):
        torch.testing.assert_close(flow([row], cache), together[row : row + 1])


# --- prompts, sizes, timesteps -------------------------------------------------------------------


@torch.inference_mode()
def test_a_short_prompt_equals_one_padded_with_zeros(dit: CausalDit) -> None:
    short = normal(1, 2, DIT.text_dim)
    padded = torch.cat((short, torch.zeros(1, DIT.text_len - 2, DIT.text_dim)), dim=1)
    for (k, v), (k_padded, v_padded) in zip(
        prompt_keys(dit, short).blocks, prompt_keys(dit, padded).blocks, strict=True
    ):
        assert k.shape == (1, DIT.text_len, DIT.num_heads, DIT.head_dim)
        torch.testing.assert_close(k, k_padded)
        torch.testing.assert_close(v, v_padded)


def test_padding_takes_part_in_the_attention(dit: CausalDit) -> None:
    prompt = random_prompt(dit, tokens=2)
    cut = PromptKeys(tuple((k[:, :2], v[:, :2]) for k, v in prompt.blocks))
    flows = [
        chunk_flow(dit, empty_cache(frame_tokens=TOKENS), latents(), 0, keys)
        for keys in (prompt, cut)
    ]
    assert (flows[0] - flows[1]).abs().max() > 1e-4


def test_a_prompt_that_is_too_long_is_refused(dit: CausalDit) -> None:
    with pytest.raises(ShapeError, match="of 7 tokens exceeds the network's 6"):
        random_prompt(dit, tokens=DIT.text_len + 1)


def test_norms_add_a_millionth_as_the_public_configuration_says(dit: CausalDit) -> None:
    norms = [each for each in dit.modules() if isinstance(each, nn.LayerNorm)]
    assert norms
    assert {each.eps for each in norms} == {dit.config.eps} == {1e-6}


@pytest.mark.parametrize(("height", "width"), [(3, 6), (4, 5)])
def test_odd_latents_are_refused(dit: CausalDit, height: int, width: int) -> None:
    with pytest.raises(ShapeError, match=f"{width}x{height} is odd"):
        dit.embed_patches(torch.zeros(1, 1, DIT.in_dim, height, width))


def test_timesteps_are_not_rounded() -> None:
    whole, half = sinusoidal_embedding(torch.tensor([700.0, 700.5]), 8)
    assert whole.dtype == torch.float64
    assert not torch.equal(whole, half)


def test_time_zero_is_cosines_of_one_then_sines_of_zero() -> None:
    assert sinusoidal_embedding(torch.zeros(1), 6).tolist() == [[1, 1, 1, 0, 0, 0]]


# --- names and shapes of the public checkpoints --------------------------------------------------

PUBLIC_SIZES = {
    "1.3B": (DitConfig(dim=1536, ffn_dim=8960, num_heads=12, num_layers=30), 825, 1_418_996_800),
    "14B": (DitConfig(dim=5120, ffn_dim=13824, num_heads=40, num_layers=40), 1095, 14_288_491_584),
}


def linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def public_shapes(config: DitConfig) -> dict[str, tuple[int, ...]]:
    """Return the keys and shapes of the public state dicts."""
    dim = config.dim
    shapes = {
        "patch_embedding.weight": (dim, 16, 1, 2, 2),
        "patch_embedding.bias": (dim,),
        "head.modulation": (1, 2, dim),
        **linear("text_embedding.0", 4096, dim),
        **linear("text_embedding.2", dim, dim),
        **linear("time_embedding.0", 256, dim),
        **linear("time_embedding.2", dim, dim),
        **linear("time_projection.1", dim, 6 * dim),
        **linear("head.head", dim, 64),
    }
    for index in range(config.num_layers):
        block = f"blocks.{index}"
        shapes |= {
            f"{block}.modulation": (1, 6, dim),
            f"{block}.norm3.weight": (dim,),
            f"{block}.norm3.bias": (dim,),
            **linear(f"{block}.ffn.0", dim, config.ffn_dim),
            **linear(f"{block}.ffn.2", config.ffn_dim, dim),
        }
        for attention in ("self_attn", "cross_attn"):
            for name in "qkvo":
                shapes |= linear(f"{block}.{attention}.{name}", dim, dim)
            for name in ("norm_q", "norm_k"):
                shapes[f"{block}.{attention}.{name}.weight"] = (dim,)
    return shapes


@pytest.mark.parametrize("size", PUBLIC_SIZES)
def test_weights_have_the_names_and_shapes_of_the_public_checkpoints(size: str) -> None:
    config, num_tensors, num_parameters = PUBLIC_SIZES[size]
    with torch.device("meta"):
        state = CausalDit(config).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == public_shapes(config)
    assert len(state) == num_tensors
    assert sum(tensor.numel() for tensor in state.values()) == num_parameters
