"""Optical flow by RAFT, with torchvision's network and the user's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rushes.errors import CheckpointError, ConfigError

WEIGHTS_URL = "https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth"
_STRIDE = 8  # the network works on an eighth of the size
_LEAST_SIDE = 128  # pixels; below, its coarsest comparison is empty


class RaftFlow:
    """Source: torchvision.models.optical_flow.raft_large (Teed and Deng 2020, arXiv:2003.12039)."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Raises: ConfigError without torchvision; CheckpointError when the file is another one."""
        self._network: Any = _empty_network()
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            self._network.load_state_dict(state)
        except Exception as error:  # torch.load raises whatever is in the file
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{weights}: does not hold raft_large: {reason}; get it from {WEIGHTS_URL}"
            ) from error
        self._network = self._network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def between(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flows from one frame to another and back.

        Shapes:
            first, second: [H, W, 3], uint8
            returns: [2, H, W] each, in pixels, on the CPU
        """
        frames = torch.stack((first, second)).permute(0, 3, 1, 2).to(self._device).float()
        height, width = frames.shape[-2:]
        size = [max(_LEAST_SIDE, -(-side // _STRIDE) * _STRIDE) for side in (height, width)]
        pixels = functional.interpolate(frames / 127.5 - 1, size, mode="bilinear")
        flows = self._network(pixels, pixels.flip(0))[-1]  # [2, 2, H', W']
        scale = torch.tensor([width / size[1], height / size[0]], device=self._device)
        flows = functional.interpolate(flows, (height, width), mode="bilinear")
        forward, backward = (flows * scale.view(1, 2, 1, 1)).cpu()
        return forward, backward


def _empty_network() -> Any:
    try:
        from torchvision.models.optical_flow import raft_large  # type: ignore[import-not-found]
    except ImportError as error:
        raise ConfigError(
            "--raft needs torchvision; install it beside torch, or leave it out"
        ) from error
    except RuntimeError as error:  # its operators do not load
        raise ConfigError(
            f"--raft needs a torchvision that was built for torch {torch.__version__}: {error}"
        ) from error
    return raft_large(weights=None, progress=False)
