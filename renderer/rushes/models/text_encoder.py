"""The UMT5 text encoder: prompts to prompt embeddings, through ``transformers``.

Weights carry the names of ``models_t5_umt5-xxl-enc-bf16.pth``, which ``PUBLIC_NAMES`` maps, or
those of ``transformers``, as the repacks with scaled fp8 weights do.

``transformers`` takes seconds to import, so only what needs it does: a render whose prompts have
been encoded before, and a process that only plans, go without.

Source: sdv2: models/wan/wan_base/modules/t5.py, tokenizers.py;
scope: src/scope/core/pipelines/wan2_1/components/text_encoder.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rushes.errors import CheckpointError
from rushes.models.cast_linear import CastLinear
from rushes.models.checkpoint import StateDict, load_strictly, refuse_misfit
from rushes.models.clean_prompt import clean_prompt

if TYPE_CHECKING:
    from transformers import UMT5Config

PUBLIC_NAMES = {
    r"token_embedding\.weight": "shared.weight",
    r"norm\.weight": "encoder.final_layer_norm.weight",
    r"blocks\.(\d+)\.attn\.([qkvo])\.weight": r"encoder.block.\1.layer.0.SelfAttention.\2.weight",
    r"blocks\.(\d+)\.pos_embedding\.embedding\.weight": (
        r"encoder.block.\1.layer.0.SelfAttention.relative_attention_bias.weight"
    ),
    r"blocks\.(\d+)\.norm1\.weight": r"encoder.block.\1.layer.0.layer_norm.weight",
    r"blocks\.(\d+)\.ffn\.gate\.0\.weight": r"encoder.block.\1.layer.1.DenseReluDense.wi_0.weight",
    r"blocks\.(\d+)\.ffn\.fc1\.weight": r"encoder.block.\1.layer.1.DenseReluDense.wi_1.weight",
    r"blocks\.(\d+)\.ffn\.fc2\.weight": r"encoder.block.\1.layer.1.DenseReluDense.wo.weight",
    r"blocks\.(\d+)\.norm2\.weight": r"encoder.block.\1.layer.1.layer_norm.weight",
}

# Of UMT5.
_SPECIAL_TOKENS: dict[str, Any] = {
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
}
_SCALE = ".scale_weight"  # ends the name of a weight's scale
# Beside the weights of repacks: the mark of scaled fp8, a tokenizer, scales for fp8 inputs.
_IGNORED = re.compile(r"scaled_fp8|spiece_model|.*\.scale_input")


@dataclass(frozen=True)
class TextEncoderConfig:
    """Sizes of the encoder; the defaults are those of UMT5-XXL."""

    vocab_size: int = 256384
    dim: int = 4096
    ffn_dim: int = 10240
    num_heads: int = 64
    head_dim: int = 64
    num_layers: int = 24


class TextEncoder:
    """Prompts in, zero-padded embeddings out."""

    def __init__(
        self, model: nn.Module, tokenizer: Any, text_len: int, compute_dtype: torch.dtype
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.text_len = text_len
        self.compute_dtype = compute_dtype

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts; rows beyond a prompt's tokens are zero.

        Shapes:
            returns: [B, text_len, E_text] in the compute dtype, on the encoder's device
        """
        ids, mask = self.tokenize(prompts)
        return self.embed(ids, mask) * mask.unsqueeze(-1).to(self.device)

    def tokenize(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Clean and tokenize; the end token closes every prompt, a truncated one too.

        Shapes:
            returns: ids and mask [B, text_len], int64
        """
        tokens = self.tokenizer(
            [clean_prompt(prompt) for prompt in prompts],
            padding="max_length",
            truncation=True,
            max_length=self.text_len,
            add_special_tokens=True,
            return_tensors="pt",
        )
        return tokens.input_ids, tokens.attention_mask

    @torch.inference_mode()
    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Run the network on token ids.

        Shapes:
            ids, mask: [B, P], int64
            returns: [B, P, E_text] at every position, behind the mask too
        """
        embedded = self.model.get_input_embeddings()(ids.to(self.device))  # type: ignore[operator]
        out = self.model(
            inputs_embeds=embedded.to(self.compute_dtype), attention_mask=mask.to(self.device)
        )
        return out.last_hidden_state

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


def load_text_network(
    config: TextEncoderConfig,
    state: Mapping[str, Tensor],
    compute_dtype: torch.dtype,
    origin: str,
) -> nn.Module:
    """Build the encoder from weights in the public naming.

    Linear layers keep the dtype they are stored in and are cast as they are used; so does the
    token table. Norms and position tables are small and cast once.

    Raises: CheckpointError when weights are missing, unexpected or mis-shaped.
    """
    network = _empty_network(config)
    weights, scales = _internal_state(state, origin)
    load_strictly(network, weights, origin)
    network.encoder.embed_tokens = network.shared
    _keep_narrow_weights(network, compute_dtype, scales)
    return network.eval()


def refuse_other_weights(
    config: TextEncoderConfig, state: Mapping[str, Tensor], origin: str
) -> None:
    """Compare names and shapes of weights with those of the encoder, without loading it.

    Raises: CheckpointError as ``load_text_network``.
    """
    refuse_misfit(_empty_network(config), _internal_state(state, origin)[0], origin)


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a folder in the layout of ``google/umt5-xxl``.

    ``tokenizer.json`` alone will do; so will ``spiece.model``, where the extra ``spiece`` is
    installed.
    """
    from transformers import AutoTokenizer, T5Tokenizer

    try:
        if (folder / "tokenizer.json").is_file() or not (folder / "spiece.model").is_file():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        else:
            tokenizer = T5Tokenizer.from_pretrained(folder, local_files_only=True, extra_ids=0)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{folder}: no usable tokenizer there ({reason}); fetch it with "
            "'rushes models download tokenizer'"
        ) from error
    if tokenizer.pad_token is None:  # tokenizer.json does not say what its tokens are for
        tokenizer.add_special_tokens(_SPECIAL_TOKENS)
        tokenizer.padding_side = "right"
    return tokenizer


def _empty_network(config: TextEncoderConfig) -> Any:
    from transformers import UMT5EncoderModel

    with torch.device("meta"):
        return UMT5EncoderModel(_transformers_config(config))


def _internal_state(
    state: Mapping[str, Tensor], origin: str
) -> tuple[StateDict, dict[str, Tensor]]:
    """Return the weights under the names of ``transformers``, and the scales by those names."""
    weights: StateDict = {}
    scales: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(_SCALE):
            scales[f"{name.removesuffix(_SCALE)}.weight"] = tensor
        elif not _IGNORED.fullmatch(name):
            weights[_internal_name(name)] = tensor
    if "shared.weight" in weights:
        weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    unscaled = [
        name
        for name, tensor in weights.items()
        if "scaled_fp8" in state and tensor.dtype == torch.float8_e4m3fn and name not in scales
    ]
    if unscaled or not scales.keys() <= weights.keys():
        raise CheckpointError(
            f"{origin}: weights and their scales do not go together "
            f"({', '.join([*unscaled, *(scales.keys() - weights.keys())][:3])}); fetch it again"
        )
    return weights, scales


def _internal_name(name: str) -> str:
    for public, internal in PUBLIC_NAMES.items():
        if re.fullmatch(public, name):
            return re.sub(public, internal, name)
    return name


def _transformers_config(config: TextEncoderConfig) -> UMT5Config:
    from transformers import UMT5Config

    return UMT5Config(
        vocab_size=config.vocab_size,
        d_model=config.dim,
        d_kv=config.head_dim,
        num_heads=config.num_heads,
        d_ff=config.ffn_dim,
        num_layers=config.num_layers,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        feed_forward_proj="gated-gelu",
        layer_norm_epsilon=1e-6,
        dropout_rate=0.0,
        is_encoder_decoder=False,
    )


def _keep_narrow_weights(
    network: nn.Module, compute_dtype: torch.dtype, scales: Mapping[str, Tensor]
) -> None:
    for path, parent in list(network.named_modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                scale = scales.get(f"{path}.{name}.weight")
                setattr(parent, name, CastLinear(child.weight, scale))
            elif child is not network.shared:
                for parameter in child.parameters(recurse=False):
                    parameter.data = parameter.data.to(compute_dtype)
