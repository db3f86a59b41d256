"""Seeded random weights in the layout of the public checkpoints, tokenizer included.

They let every part of the pipeline run where no real weights are. The pictures mean nothing.
"""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import torch
from safetensors.torch import save
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor, nn

from rushes.models.checkpoint import StateDict
from rushes.models.dit import CausalDit, DitConfig
from rushes.models.stream_vae import StreamVAE, VaeConfig
from rushes.models.text_encoder import TextEncoderConfig
from rushes.models.tiny_vae import TinyVAE, TinyVaeConfig
from rushes.models.vace import VaceBranch

DIT_PREFIX = "model."  # before every name of a generator
_RANK = 4
_SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>")  # ids 0, 1, 2 as in UMT5


def random_state(module: nn.Module, generator: torch.Generator) -> StateDict:
    """Return values for every parameter that keep signals at about their size on their way."""
    state: StateDict = {}
    for name, parameter in module.named_parameters():
        shape = parameter.shape
        if name.endswith(("norm_q.weight", "norm_k.weight", "norm3.weight", "gamma")):
            state[name] = torch.ones(shape, device="cpu")
        elif name.endswith("bias"):
            state[name] = 0.02 * torch.randn(shape, generator=generator, device="cpu")
        else:
            fan_in = math.prod(shape[1:])
            state[name] = torch.randn(shape, generator=generator, device="cpu") / math.sqrt(fan_in)
    return state


def random_dit(config: DitConfig, generator: torch.Generator) -> StateDict:
    """Return a generator checkpoint's weights, under their bare names."""
    with torch.device("meta"):
        return random_state(CausalDit(config), generator)


def random_lora(config: DitConfig, generator: torch.Generator) -> StateDict:
    """Return a LoRA of rank 4 for every linear layer of the blocks, as LongLive publishes its own.

    Source: longlive: utils/lora_utils.py
    """
    with torch.device("meta"):
        dit = CausalDit(config)
    state: StateDict = {}
    for name, layer in dit.blocks.named_modules(prefix="blocks"):
        if isinstance(layer, nn.Linear):
            start = f"base_model.model.{name}"
            down = torch.randn(_RANK, layer.in_features, generator=generator)
            up = torch.randn(layer.out_features, _RANK, generator=generator)
            state[f"{start}.lora_A.weight"] = down / math.sqrt(layer.in_features)
            state[f"{start}.lora_B.weight"] = 0.2 * up
    return state


def random_vae(config: VaeConfig, generator: torch.Generator) -> StateDict:
    """Return the weights of ``Wan2.1_VAE.pth``."""
    with torch.device("meta"):
        return random_state(StreamVAE(config), generator)


def random_tiny_vae(config: TinyVaeConfig, generator: torch.Generator) -> StateDict:
    """Return the weights of ``taew2_1.pth`` or ``lighttaew2_1.pth``."""
    with torch.device("meta"):
        return random_state(TinyVAE(config), generator)


def random_vace(config: DitConfig, generator: torch.Generator) -> StateDict:
    """Return the weights of a VACE module file."""
    with torch.device("meta"):
        return random_state(VaceBranch(config), generator)


def random_text_encoder(config: TextEncoderConfig, generator: torch.Generator) -> StateDict:
    """Return the weights of ``models_t5_umt5-xxl-enc-bf16.pth``, in bfloat16."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device="cpu") / math.sqrt(shape[-1])

    dim, inner = config.dim, config.num_heads * config.head_dim
    state = {
        "token_embedding.weight": normal(config.vocab_size, dim) * math.sqrt(dim),
        "norm.weight": torch.ones(dim),
    }
    for index in range(config.num_layers):
        start = f"blocks.{index}"
        state |= {
            f"{start}.norm1.weight": torch.ones(dim),
            f"{start}.norm2.weight": torch.ones(dim),
            **{f"{start}.attn.{name}.weight": normal(inner, dim) for name in "qkv"},
            f"{start}.attn.o.weight": normal(dim, inner),
            f"{start}.ffn.gate.0.weight": normal(config.ffn_dim, dim),
            f"{start}.ffn.fc1.weight": normal(config.ffn_dim, dim),
            f"{start}.ffn.fc2.weight": normal(dim, config.ffn_dim),
            f"{start}.pos_embedding.embedding.weight": normal(32, config.num_heads),
        }
    return {name: tensor.bfloat16() for name, tensor in state.items()}


def write_byte_tokenizer(folder: Path) -> None:
    """Write a tokenizer of bytes, 259 tokens, in the files that ``transformers`` expects."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*_SPECIAL_TOKENS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.add_special_tokens(list(_SPECIAL_TOKENS))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def save_weights(
    path: Path, state: StateDict, container: str | None = None, prefix: str = ""
) -> None:
    """Save a state dict the way its publisher does: inside an entry, with a prefix, or neither."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {prefix + name: state[name] for name in state}
    if path.suffix == ".safetensors":
        path.write_bytes(save(named, metadata={"format": "pt"}))
        return
    buffer = io.BytesIO()  # for torch says of a full disk only that writing failed
    torch.save({container: named} if container else named, buffer)
    path.write_bytes(buffer.getbuffer())
