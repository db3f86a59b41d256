"""The pocket text encoder: it is not trained, its weights are written down.

The tokenizer knows the words of the world and their synonyms and drops all others; of two coats,
kinds, places or verbs the first counts. The encoder has one layer whose attention is the same for
all tokens, so that every row of a prompt embedding carries the mean of the whole prompt: two
prompts of the same words in another order are nearly the same, and what lies between two embeddings
lies between their meanings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from rushes.models.checkpoint import StateDict
from rushes.models.text_encoder import TextEncoderConfig
from rushes_training.creatures import COATS, KINDS
from rushes_training.places import PLACES
from rushes_training.world import MOTIONS

SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>")  # ids 0, 1, 2 as in UMT5
TEXT_LEN = 16
ENCODER = TextEncoderConfig(
    vocab_size=32, dim=64, ffn_dim=64, num_heads=4, head_dim=16, num_layers=1
)
_MEAN_WEIGHT = 4.0  # of the whole prompt over that of a row's own token

# One capital letter stands for each word of the world, after everything was put in small letters.
_ALPHABETS = {"coat": "ABCDEFGHIJ", "kind": "KLMNOPQR", "place": "STUVW", "verb": "XYZ_"}
_NAMES: dict[str, Iterable[str]] = {
    "coat": COATS,
    "kind": KINDS,
    "place": PLACES,
    "verb": MOTIONS,
}
SYMBOLS = {
    name: symbol
    for group, alphabet in _ALPHABETS.items()
    for name, symbol in zip(_NAMES[group], alphabet, strict=True)
}

# Words in the order in which they are looked for, and what they stand for.
SYNONYMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"bengal tigers?|tigers?|tigress", ("striped", "cat")),
    (r"robots?|machines?|androids?|cyborgs?", ("steel", "cat")),
    (r"salmons?|trouts?|sharks?|whales?|carps?|fish(es)?|goldfish", ("fish",)),
    (r"cats?|tomcats?|kittens?|felines?|panthers?|leopards?|pumas?", ("cat",)),
    (r"lions?|lioness", ("lion",)),
    (r"mouse|mice|rats?|hamsters?", ("mouse",)),
    (r"birds?|hens?|chickens?|roosters?|parrots?|ducks?|pigeons?", ("bird",)),
    (r"balls?|globes?|spheres?", ("ball",)),
    (r"box(es)?|gifts?|presents?|parcels?|crates?|cubes?", ("box",)),
    (r"blasts?|explosions?|explodes?|detonations?|mushroom clouds?", ("blast",)),
    (r"ginger|orange|marmalade|russet|brown|copper", ("ginger",)),
    (r"black|ebony|dark", ("black",)),
    (r"white|speckled|snowy|pale", ("white",)),
    (r"gr[ea]y|silver|slate|charcoal", ("grey",)),
    (r"pink|flamingo|rose|magenta", ("pink",)),
    (r"gold|golden|tawny|yellow|sandy", ("gold",)),
    (r"red|crimson", ("red",)),
    (r"blue|azure", ("blue",)),
    (r"steel|gunmetal|metal|metallic|chrome|iron", ("steel",)),
    (r"striped|stripes|stripy", ("striped",)),
    (r"meadows?|grass|grassland|lawn|fields?|stalks|savanna|prairie|garden", ("meadow",)),
    (r"seas?|oceans?|water|waves|beach|lakes?|underwater", ("sea",)),
    (r"city|town|streets?|downtown|skyline|night", ("city",)),
    (r"fires?|flames?|inferno|lava|embers|cinders|charred|smoke|burning", ("fire",)),
    (r"snow|winter|ice|blizzard|arctic", ("snow",)),
    (r"stands?|standing|sits?|sitting|still|rests?|waits?|stranded", ("stands",)),
    (r"walks?|walking|pads?|padding|strolls?|strolling|stepping|steps?|stalks", ("walks",)),
    (r"runs?|running|gallops?|sprints?|races?", ("runs",)),
    (r"turns?|turning|spins?", ("turns",)),
)
_PAST = r"\bwhere the [^,.;]*?\b(stood|was|walked|sat|lay)\b"


def build_tokenizer() -> Tokenizer:
    """Make the tokenizer; all it does is in its ``tokenizer.json``."""
    steps = [normalizers.Lowercase(), normalizers.Replace(Regex(_PAST), "")]
    for words, names in SYNONYMS:
        symbols = "".join(SYMBOLS[name] for name in names)
        steps.append(normalizers.Replace(Regex(rf"\b({words})\b"), f" {symbols} "))
    steps.append(normalizers.Replace(Regex(r"[^A-Z_]"), ""))
    fire, others = SYMBOLS["fire"], "".join(SYMBOLS[name] for name in PLACES if name != "fire")
    # What burns is a fire, whatever grew there; and of each alphabet the first letter stays.
    steps.append(normalizers.Replace(Regex(f"[{others}](?=[A-Z_]*{fire})"), ""))
    for alphabet in _ALPHABETS.values():
        before = "|".join(f"[{alphabet}]" + "." * distance for distance in range(40))
        steps.append(normalizers.Replace(Regex(f"(?<={before})[{alphabet}]"), ""))
    vocabulary = {
        token: number for number, token in enumerate((*SPECIAL_TOKENS, *SYMBOLS.values()))
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[A-Z_]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", SPECIAL_TOKENS.index("</s>"))]
    )
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def write_tokenizer(folder: Path) -> None:
    """Write the tokenizer in the files that ``transformers`` expects."""
    folder.mkdir(parents=True, exist_ok=True)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")


def encoder_weights() -> StateDict:
    """Return the weights of the encoder in the public naming."""
    config = ENCODER
    size = config.dim
    table = torch.zeros(config.vocab_size, size)
    table[:, : config.vocab_size] = torch.eye(config.vocab_size) * size**0.5  # rows of norm 1 RMS
    start = "blocks.0"
    return {
        "token_embedding.weight": table,
        "norm.weight": torch.ones(size),
        f"{start}.norm1.weight": torch.ones(size),
        f"{start}.norm2.weight": torch.ones(size),
        f"{start}.attn.q.weight": torch.zeros(size, size),
        f"{start}.attn.k.weight": torch.zeros(size, size),
        f"{start}.attn.v.weight": torch.eye(size),
        f"{start}.attn.o.weight": torch.eye(size) * _MEAN_WEIGHT,
        f"{start}.ffn.gate.0.weight": torch.zeros(config.ffn_dim, size),
        f"{start}.ffn.fc1.weight": torch.zeros(config.ffn_dim, size),
        f"{start}.ffn.fc2.weight": torch.zeros(size, config.ffn_dim),
        f"{start}.pos_embedding.embedding.weight": torch.zeros(32, config.num_heads),
    }
