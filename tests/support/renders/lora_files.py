"""LoRA files for the tiny preset."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from renders.tiny_models import normal

RANK = 2


def write_lora(path: Path, seed: int = 0, layers: tuple[str, ...] = ()) -> Path:
    """Write a LoRA of the tiny preset's DiT (64 wide), strong enough to be seen."""
    names = layers or tuple(
        f"blocks.{index}.{part}"
        for index in range(2)
        for part in ("self_attn.q", "self_attn.v", "cross_attn.k", "cross_attn.v")
    )
    state = {}
    for place, name in enumerate(names):
        state[f"diffusion_model.{name}.lora_A.weight"] = normal(RANK, 64, seed=seed + place)
        state[f"diffusion_model.{name}.lora_B.weight"] = normal(64, RANK, seed=seed + place + 50)
    path.parent.mkdir(exist_ok=True)
    save_file(state, path)
    return path
