"""LoRA files: every spelling finds its layer; what does not fit is refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from renders.tiny_models import CPU, DIT, normal, tiny_dit
from rushes.errors import CheckpointError
from rushes.models.adapters.adapted_layers import AdaptedLayers, Adapter
from rushes.models.adapters.changes import LowRank
from rushes.models.adapters.lora import LoraWeights, place_lora, targets_of
from rushes.models.dit import CausalDit

RANK = 3
QUERY = "blocks.1.self_attn.q"


@pytest.fixture(scope="module")
def dit() -> CausalDit:
    return tiny_dit()


def pair(
    base: str = QUERY,
    down: str = "lora_A.weight",
    up: str = "lora_B.weight",
    *,
    alpha: float | None = None,
    shape: tuple[int, int] = (DIT.dim, DIT.dim),
    seed: int = 0,
) -> dict[str, Tensor]:
    """Two halves under a base name; ``shape`` is [out, in]."""
    state = {
        f"{base}.{down}": 0.1 * normal(RANK, shape[1], seed=seed),
        f"{base}.{up}": 0.1 * normal(shape[0], RANK, seed=seed + 1),
    }
    return state if alpha is None else state | {f"{base}.alpha": torch.tensor(alpha)}


def place(dit: CausalDit, state: dict[str, Tensor]) -> LoraWeights:
    return place_lora(state, targets_of(dit), "film.safetensors")


# --- spellings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "layer"),
    [
        (QUERY, QUERY),
        (f"diffusion_model.{QUERY}", QUERY),
        (f"base_model.model.{QUERY}", QUERY),
        (f"base_model.model.diffusion_model.{QUERY}", QUERY),
        (f"transformer.{QUERY}", QUERY),
        ("lora_unet_blocks_1_self_attn_q", QUERY),
        ("lora_unet__blocks_1_self_attn_q", QUERY),
        ("lora_unet_blocks_1_attn1_to_q", QUERY),
        ("lora_unet_diffusion_model_blocks_1_self_attn_q", QUERY),
        ("lora_dit_blocks_1_self_attn_q", QUERY),
        ("loha_unet_blocks_1_self_attn_q", QUERY),
        (f"unet.{QUERY}", QUERY),
        (f"net.model.{QUERY}", QUERY),
        ("transformer.blocks.1.attn1.to_q", QUERY),
        ("transformer.blocks.1.attn2.to_out.0", "blocks.1.cross_attn.o"),
        ("blocks.0.attn2.to_v", "blocks.0.cross_attn.v"),
        ("head.head", "head.head"),
        ("proj_out", "head.head"),
        ("lora_unet_head_head", "head.head"),
        ("diffusion_model.blocks.0.ffn.2", "blocks.0.ffn.2"),
        ("transformer.blocks.0.ffn.net.0.proj", "blocks.0.ffn.0"),
        ("lora_unet_time_projection_1", "time_projection.1"),
        ("transformer.condition_embedder.time_proj", "time_projection.1"),
        ("lora_unet_text_embedding_0", "text_embedding.0"),
        ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
        (f"pipe.dit.{QUERY}", QUERY),
        (f"lycoris_{QUERY.replace('.', '_')}", QUERY),
        (f"_fsdp_wrapped_module.model._orig_mod.{QUERY}", QUERY),
        ("model._fsdp_wrapped_module.blocks.1._fsdp_wrapped_module.self_attn.q", QUERY),
        (f"_orig_mod.{QUERY}", QUERY),
    ],
)
def test_a_layer_is_found_under_each_of_its_names(dit: CausalDit, base: str, layer: str) -> None:
    found = layer_of(dit, layer)
    placed = place(dit, pair(base, shape=(found.out_features, found.in_features)))
    assert list(placed.changes) == [layer]
    assert placed.unused == ()


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("lora_A.weight", "lora_B.weight"),
        ("lora_A.default.weight", "lora_B.default.weight"),
        ("lora_down.weight", "lora_up.weight"),
        ("lora.down.weight", "lora.up.weight"),
        ("lora_A", "lora_B"),
    ],
)
def test_halves_are_found_under_each_of_their_names(dit: CausalDit, down: str, up: str) -> None:
    assert list(place(dit, pair(down=down, up=up)).changes) == [QUERY]


def test_every_layer_has_one_name_in_every_spelling(dit: CausalDit) -> None:
    modules = dit.named_modules()
    layers = {name: each for name, each in modules if isinstance(each, nn.Linear)}
    state: dict[str, Tensor] = {}
    for name, layer in layers.items():
        base = f"lora_unet_{name.replace('.', '_')}"
        state |= pair(base, shape=(layer.out_features, layer.in_features))
    assert place(dit, state).changes.keys() == layers.keys()


@pytest.mark.parametrize("base", [QUERY, f"diffusion_model.{QUERY}"])
@pytest.mark.parametrize(("alpha", "factor"), [(None, 1.0), (RANK, 1.0), (6.0, 2.0), (0.0, 0.0)])
def test_alpha_counts_in_every_spelling(
    dit: CausalDit, base: str, alpha: float | None, factor: float
) -> None:
    assert place(dit, pair(base, alpha=alpha)).changes[QUERY].factor == factor


def test_halves_may_have_the_axes_of_a_convolution(dit: CausalDit) -> None:
    state = {key: tensor[..., None, None] for key, tensor in pair().items()}
    product = place(dit, state).changes[QUERY].product
    assert isinstance(product, LowRank)
    assert product.down.shape == (RANK, DIT.dim)


def test_a_key_of_another_kind_is_refused_also_beside_a_pair(dit: CausalDit) -> None:
    for key in (
        *("lora_unet_blocks_1_self_attn_k.hada_t1", "oft_unet_blocks_1_self_attn_k.oft_blocks"),
        f"{QUERY}.lora_A.scale_weight",
    ):
        with pytest.raises(CheckpointError, match="in a way that is not known here"):
            place(dit, pair() | {key: normal(2)})


def test_keys_without_a_place_are_told(dit: CausalDit) -> None:
    strangers = pair("down_blocks.0.attn") | {
        "diffusion_model.img_emb.proj.0.diff": normal(4),
        "blocks.0.self_attn.q.alpha": torch.tensor(2.0),
    }
    unused = place(dit, pair() | strangers).unused
    assert set(unused) == {
        "down_blocks.0.attn",
        "diffusion_model.img_emb.proj.0",
        "blocks.0.self_attn.q.alpha",
    }


# --- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({}, "is not a LoRA: it holds no pair"),
        ({"blocks.0.self_attn.q.weight": torch.ones(2, 2)}, "is not a LoRA"),
        ({f"{QUERY}.lora_A.weight": torch.ones(2, 2)}, "q lacks lora_B; fetch the file again"),
        ({f"{QUERY}.lokr_w1": torch.ones(2, 2)}, "q lacks lokr_w2"),
        ({f"{QUERY}.hada_w1_a": torch.ones(2, 2)}, "q lacks all of its parts"),
        (pair() | {f"{QUERY}.oft_blocks": torch.ones(2, 2, 2)}, "in a way that is not known here"),
        (pair() | {f"{QUERY}.lora_mid.weight": torch.ones(2, 2)}, "q in a way that is not known"),
        (pair() | {f"{QUERY}.weight": torch.ones(24, 24)}, "in a way that is not known"),
        (pair() | {f"{QUERY}.dora_scale": torch.ones(7, 1)}, "another base: the magnitude of"),
        ({f"{QUERY}.diff_b": torch.ones(7)}, "another base: the bias of"),
        (pair("down_blocks.0.attentions.0.to_q"), "is a LoRA of another model: none of its 1 lay"),
        (pair(shape=(5120, 5120)), r"another base: .*q is \[5120, 5120\] in it and \[24, 24\]"),
        (pair(shape=(DIT.dim, 5120)), r"another base: .* is \[24, 5120\] in it"),
        (
            {
                f"{QUERY}.lora_A.weight": torch.ones(2, 24),
                f"{QUERY}.lora_B.weight": torch.ones(24, 3),
            },
            "ranks do not agree",
        ),
        (pair() | {f"{QUERY}.alpha": torch.ones(2)}, "alpha holds 2 numbers"),
        (pair() | {f"{QUERY}.lora_B.weight": torch.full((24, RANK), torch.inf)}, "infinite"),
        (pair() | pair(f"transformer.{QUERY}"), f"changes {QUERY} twice"),
        (pair() | pair(down="lora_A.second.weight", up="lora_B.second.weight"), "twice"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(dit: CausalDit, state: dict[str, Tensor], says: str) -> None:
    with pytest.raises(CheckpointError, match=f"film.safetensors: .*{says}") as caught:
        place(dit, state)
    assert "\n" not in str(caught.value)


# --- in the layers -------------------------------------------------------------------------------


def adapt(dit: CausalDit, is_merged: bool, *strengths: float) -> AdaptedLayers:
    adapters = [
        Adapter(place(dit, pair(seed=2 * index)), strength, is_merged)
        for index, strength in enumerate(strengths)
    ]
    adapted = AdaptedLayers(targets_of(dit), adapters)
    adapted.attach()
    return adapted


def layer_of(dit: CausalDit, name: str = QUERY) -> nn.Linear:
    layer = dit.get_submodule(name)
    assert isinstance(layer, nn.Linear)
    return layer


def query(dit: CausalDit) -> Tensor:
    return layer_of(dit)(normal(1, 4, DIT.dim, seed=9).to(dit.head.head.weight.dtype))


def change(dit: CausalDit, seed: int = 0) -> Tensor:
    weights = place(dit, pair(seed=seed)).changes[QUERY].added(CPU)
    return torch.nn.functional.linear(normal(1, 4, DIT.dim, seed=9), weights)


both_ways = pytest.mark.parametrize("is_merged", [True, False], ids=["merged", "running"])


@both_ways
@pytest.mark.parametrize("strength", [1.0, 0.5, -0.4, 3.0])
@torch.inference_mode()
def test_the_effect_is_that_of_the_product(
    dit: CausalDit, is_merged: bool, strength: float
) -> None:
    before = query(dit)
    adapted = adapt(dit, is_merged, strength)
    torch.testing.assert_close(query(dit), before + strength * change(dit), rtol=1e-5, atol=1e-5)
    adapted.remove()
    assert torch.equal(query(dit), before)


@both_ways
@torch.inference_mode()
def test_several_add_up(dit: CausalDit, is_merged: bool) -> None:
    expected = query(dit) + 0.7 * change(dit) - 0.4 * change(dit, seed=2)
    adapted = adapt(dit, is_merged, 0.7, -0.4)
    torch.testing.assert_close(query(dit), expected, rtol=1e-5, atol=1e-5)
    adapted.remove()


@both_ways
@torch.inference_mode()
def test_strength_zero_is_no_lora_to_the_bit(dit: CausalDit, is_merged: bool) -> None:
    before = query(dit)
    adapted = adapt(dit, is_merged, 0.0)
    assert torch.equal(query(dit).view(torch.int32), before.view(torch.int32))
    adapted.remove()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_come_back_to_the_bit(dtype: torch.dtype) -> None:
    dit = tiny_dit().to(dtype)
    before = {name: tensor.clone() for name, tensor in dit.state_dict().items()}
    adapted = adapt(dit, True, 1.0, -0.5)
    assert not torch.equal(layer_of(dit).weight, before[f"{QUERY}.weight"])
    adapted.remove()
    for name, tensor in dit.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@torch.inference_mode()
def test_the_strength_of_a_running_lora_can_change(dit: CausalDit) -> None:
    before = query(dit)
    adapted = adapt(dit, False, 1.0)
    assert not adapted.set_strengths((1.0,))
    assert adapted.set_strengths((0.25,))
    torch.testing.assert_close(query(dit), before + 0.25 * change(dit), rtol=1e-5, atol=1e-5)
    adapted.remove()


@torch.inference_mode()
def test_weights_that_take_no_sum_are_left_alone_and_adapted_while_they_run() -> None:
    dit = tiny_dit().double()  # stands for a format in which weights cannot be summed
    weight = layer_of(dit).weight.clone()
    before = query(dit)
    adapted = adapt(dit, True, 1.0)
    assert torch.equal(layer_of(dit).weight, weight)
    expected = before + change(dit).double()
    torch.testing.assert_close(query(dit), expected, rtol=1e-5, atol=1e-5)
    adapted.remove()
    assert torch.equal(query(dit), before)
