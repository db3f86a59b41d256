"""A CLIP model of random weights, in the files of the public ones."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel

from rushes.weights.random_weights import write_byte_tokenizer

SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}


def write_clip_model(folder: Path) -> Path:
    """A CLIP model that sees 32x32 pixels and reads 20 bytes."""
    torch.manual_seed(0)
    text = SMALL | {"vocab_size": 300, "max_position_embeddings": 20, "num_attention_heads": 2}
    text |= {"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": 2}
    vision = SMALL | {"image_size": 32, "patch_size": 8, "num_attention_heads": 2}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    write_byte_tokenizer(folder)
    CLIPModel(config).save_pretrained(folder)
    return folder
