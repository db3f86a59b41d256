"""The VACE branch from its file: a file of its own, or part of a whole VACE checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from rushes.errors import CheckpointError
from rushes.models.checkpoint import load_strictly, read_state_dict
from rushes.models.dit import DitConfig
from rushes.models.vace import VaceBranch

_PREFIXES = ("vace_blocks.", "vace_patch_embedding.")
_ENTRY = "vace_patch_embedding.weight"


def load_vace(
    config: DitConfig, path: Path, device: torch.device, dtype: torch.dtype
) -> VaceBranch:
    """Load the branch for a DiT of these sizes.

    Raises: CheckpointError when the file does not hold exactly its weights, or only zeros.
    Source: scope: src/scope/core/pipelines/wan2_1/vace/utils (weight loading)
    """
    state = {
        name: tensor for name, tensor in read_state_dict(path).items() if name.startswith(_PREFIXES)
    }
    if not state:
        raise CheckpointError(
            f"{path}: holds no VACE weights (vace_blocks); fetch the VACE module of Wan2.1"
        )
    with torch.device("meta"):
        branch = VaceBranch(config)
    load_strictly(branch, state, str(path))
    if not bool(state[_ENTRY].any()):
        raise CheckpointError(f"{path}: {_ENTRY} is all zeros; fetch the file again")
    return branch.to(device=device, dtype=dtype).eval()
