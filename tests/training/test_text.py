"""The pocket text encoder: which words count, and how embeddings relate."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from rushes.files.resources import data_folder
from rushes.models.text_encoder import TextEncoder
from rushes_training.networks import text_encoder
from rushes_training.prompts import WordTable
from rushes_training.text import SYMBOLS


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return text_encoder(tmp_path_factory.mktemp("tokenizer"))


def words(encoder: TextEncoder, text: str) -> set[str]:
    """The words of the world that the tokenizer finds in a text."""
    names = {symbol: name for name, symbol in SYMBOLS.items()}
    ids, _ = encoder.tokenize([text])
    tokens = encoder.tokenizer.convert_ids_to_tokens(ids[0].tolist())
    return {names[token] for token in tokens if token in names}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A ginger cat walks in the meadow.", {"ginger", "cat", "walks", "meadow"}),
        ("a TIGER at the ocean", {"striped", "cat", "sea"}),
        ("a robot in a burning field", {"steel", "cat", "fire"}),
        ("a black cat, a white cat, a pink cat", {"black", "cat"}),
        ("Where the cat stood, a plump salmon lies", {"fish"}),
        ("a category of catapults", set()),
        ("", set()),
    ],
    ids=[
        "plain",
        "synonyms",
        "fire wins",
        "first of a kind",
        "the past",
        "parts of words",
        "empty",
    ],
)
def test_the_words_of_the_world_are_found(
    encoder: TextEncoder, text: str, expected: set[str]
) -> None:
    assert words(encoder, text) == expected


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("evolution", [{"ginger", "cat"}, {"ginger", "cat"}, {"steel", "cat"}, {"steel", "fire"}]),
        ("feline", [{"black", "cat"}, {"ginger", "cat"}, {"striped", "cat"}, {"gold", "lion"}]),
        ("prey", [{"grey", "cat"}, {"grey", "fish"}, {"white", "bird"}, {"ginger", "mouse"}]),
    ],
)
def test_the_shipped_timelines_are_understood(
    encoder: TextEncoder, name: str, subjects: list[set[str]]
) -> None:
    document = json.loads((data_folder("timelines") / f"{name}.json").read_text())
    for block, subject in zip(document["prompts"], subjects, strict=False):
        assert subject <= words(encoder, block["prompts"][0]["text"])


def likeness(encoder: TextEncoder, first: str, second: str) -> Tensor:
    one, other = encoder.encode([first, second])
    return torch.cosine_similarity(one[0], other[0], dim=0)


def test_the_order_of_words_matters_less_than_one_word(encoder: TextEncoder) -> None:
    prompt = "a ginger cat walks in the meadow"
    reordered = likeness(encoder, prompt, "in the meadow walks a cat, ginger")
    recoloured = likeness(encoder, prompt, "a black cat walks in the meadow")
    assert reordered > recoloured + 0.1


def test_every_row_of_a_prompt_carries_the_whole_prompt(encoder: TextEncoder) -> None:
    rows = encoder.encode(["a ginger cat walks in the meadow"])[0]
    filled = rows[rows.any(dim=-1)]
    assert len(filled) == 5  # four words and the end token
    assert torch.cosine_similarity(filled[:1], filled, dim=-1).min() > 0.75


def test_the_table_of_words_holds_what_the_encoder_says(encoder: TextEncoder) -> None:
    table = WordTable(encoder)
    found = table.embeddings(torch.tensor([[0, 0, 0, 1], [3, -1, 1, -1]]))
    expected = encoder.encode(["ginger cat walks meadow", "fish sea"])
    torch.testing.assert_close(found, expected)
