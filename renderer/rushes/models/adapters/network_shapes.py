"""The parameters of the networks that LoRAs can change, by name, without making the networks.

Parameter names are those of the public checkpoints.
Source: sdv2: models/wan/causal_model.py; scope: src/scope/core/pipelines/wan2_1/vace/models
"""

from __future__ import annotations

from rushes.models.adapters.keys import Shape

_PATCH = (1, 2, 2)
_CHANNELS = 16
_VACE_CHANNELS = 96


def dit_shapes(
    dim: int, ffn_dim: int, num_layers: int, text_dim: int, freq_dim: int
) -> dict[str, Shape]:
    """Return the shape of every parameter of the DiT."""
    shapes: dict[str, Shape] = {}
    for index in range(num_layers):
        shapes |= _block(f"blocks.{index}", dim, ffn_dim)
    for name, size in {
        "text_embedding.0": (dim, text_dim),
        "text_embedding.2": (dim, dim),
        "time_embedding.0": (dim, freq_dim),
        "time_embedding.2": (dim, dim),
        "time_projection.1": (6 * dim, dim),
        "head.head": (_CHANNELS * 4, dim),
    }.items():
        shapes |= _linear(name, *size)
    patch = {"patch_embedding.weight": (dim, _CHANNELS, *_PATCH), "patch_embedding.bias": (dim,)}
    return shapes | patch | {"head.modulation": (1, 2, dim)}


def vace_shapes(dim: int, ffn_dim: int, num_blocks: int) -> dict[str, Shape]:
    """Return the shape of every parameter of a VACE branch of so many blocks."""
    shapes: dict[str, Shape] = {
        "vace_patch_embedding.weight": (dim, _VACE_CHANNELS, *_PATCH),
        "vace_patch_embedding.bias": (dim,),
    }
    for index in range(num_blocks):
        name = f"vace_blocks.{index}"
        shapes |= _block(name, dim, ffn_dim) | _linear(f"{name}.after_proj", dim, dim)
        if index == 0:
            shapes |= _linear(f"{name}.before_proj", dim, dim)
    return shapes


def _block(name: str, dim: int, ffn_dim: int) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {f"{name}.modulation": (1, 6, dim)}
    for attention in ("self_attn", "cross_attn"):
        for part in "qkvo":
            shapes |= _linear(f"{name}.{attention}.{part}", dim, dim)
        for part in ("norm_q", "norm_k"):
            shapes[f"{name}.{attention}.{part}.weight"] = (dim,)
    shapes |= {f"{name}.norm3.weight": (dim,), f"{name}.norm3.bias": (dim,)}
    return shapes | _linear(f"{name}.ffn.0", ffn_dim, dim) | _linear(f"{name}.ffn.2", dim, ffn_dim)


def _linear(name: str, rows: int, columns: int) -> dict[str, Shape]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
