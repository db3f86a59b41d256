"""CLIP scores: the similarity of each frame to the one before, and to its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rushes.errors import CheckpointError

# Of CLIP's training: openai/CLIP, clip/clip.py (_transform)
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


class ClipScorer:
    """A CLIP model of a folder in the layout of transformers, such as ViT-B/32."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Raises: CheckpointError when the folder does not hold a CLIP model and its tokenizer."""
        from transformers import AutoTokenizer, CLIPModel

        try:
            # Two steps, for the stubs of from_pretrained lose its type.
            model: Any = CLIPModel.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"{folder}: holds no CLIP model: {reason}; fetch one with 'rushes models download "
                "eval'"
            ) from error
        self._model = model.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def of_frames(self, frames: Tensor) -> Tensor:
        """Return the embeddings of frames, each of length 1.

        Shapes:
            frames: [T, H, W, 3], uint8
            returns: [T, E], on the CPU
        """
        side = self._model.config.vision_config.image_size
        pixels = frames.permute(0, 3, 1, 2).to(self._device).float() / 255  # [T, 3, H, W]
        height, width = pixels.shape[-2:]
        scale = side / min(height, width)
        size = (max(side, round(height * scale)), max(side, round(width * scale)))
        pixels = functional.interpolate(pixels, size, mode="bicubic", antialias=True).clamp(0, 1)
        top, left = (size[0] - side) // 2, (size[1] - side) // 2
        pixels = pixels[:, :, top : top + side, left : left + side]
        mean, std = (torch.tensor(each, device=self._device) for each in (_MEAN, _STD))
        pixels = (pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
        pooled = self._model.vision_model(pixel_values=pixels).pooler_output
        return self._unit(self._model.visual_projection(pooled))

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the embeddings of texts, each of length 1 and cut to what CLIP reads: [N, E]."""
        most = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=most
        )
        pooled = self._model.text_model(
            input_ids=tokens["input_ids"].to(self._device),
            attention_mask=tokens["attention_mask"].to(self._device),
        ).pooler_output
        return self._unit(self._model.text_projection(pooled))

    @staticmethod
    def _unit(embeddings: Tensor) -> Tensor:
        return functional.normalize(embeddings.float(), dim=-1).cpu()


def consistency(embeddings: Tensor) -> Tensor:
    """Return the cosine of each frame with the one before.

    Shapes:
        embeddings: [T, E], of length 1
        returns: [T - 1]
    Source: sdv2 (branch user-study): evaluation/clip_score.py
    """
    return (embeddings[1:] * embeddings[:-1]).sum(dim=1)
