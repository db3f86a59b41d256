"""Prompt embeddings on disk: encoded once, whole when read back, made again when damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from renders.tiny_models import normal
from rushes.rendering.machine_kind import computing_threads
from rushes.rendering.prompt_cache import PromptCache, encoder_key

TEXT_LEN, WIDTH = 6, 4


class Encoder:
    """Gives every text as many rows as it has letters; keeps the batches it was asked for."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Tensor:
        self.batches.append(list(texts))
        return torch.cat([self.embedding(text) for text in texts])

    def embedding(self, text: str) -> Tensor:
        rows = normal(1, TEXT_LEN, WIDTH, seed=sum(map(ord, text)))
        rows[:, max(len(text), 1) :] = 0
        return rows.to(self.dtype)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_empty_cache_misses_every_text_once_and_in_order(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path, TEXT_LEN)
    assert cache.missing(["b", "a", "b", ""]) == ["b", "a", ""]


def test_an_encoded_text_is_a_hit_for_every_cache_on_the_folder(tmp_path: Path) -> None:
    encoder = Encoder()
    PromptCache(tmp_path, TEXT_LEN).encode(["boat", "pond"], encoder)
    again = PromptCache(tmp_path, TEXT_LEN)
    assert again.missing(["pond", "fox", "boat"]) == ["fox"]
    assert torch.equal(again["boat"], encoder.embedding("boat"))


@pytest.mark.parametrize("text", ["boat", "", "a", "abcdef", "Füße 船", "a/b\0c", "x" * 5000])
def test_padding_is_restored(text: str, tmp_path: Path) -> None:
    encoder, cache = Encoder(), PromptCache(tmp_path, TEXT_LEN)
    cache.encode([text], encoder)
    assert cache[text].shape == (1, TEXT_LEN, WIDTH)
    assert torch.equal(cache[text], encoder.embedding(text))


def test_padding_is_not_stored(tmp_path: Path) -> None:
    long = 1000
    wide = torch.zeros(1, long, WIDTH)
    wide[:, :2] = 1
    PromptCache(tmp_path, long).encode(["text"], lambda texts: wide)
    (file,) = files_of(tmp_path)
    assert file.stat().st_size < 1000


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_embeddings_keep_their_dtype(dtype: torch.dtype, tmp_path: Path) -> None:
    cache, encoder = PromptCache(tmp_path, TEXT_LEN), Encoder(dtype)
    cache.encode(["boat"], encoder)
    assert cache["boat"].dtype == dtype
    assert torch.equal(cache["boat"], encoder.embedding("boat"))


def test_texts_that_differ_in_a_blank_are_apart(tmp_path: Path) -> None:
    cache = PromptCache(tmp_path, TEXT_LEN)
    cache.encode(["boat"], Encoder())
    assert cache.missing(["boat", "boat "]) == ["boat "]


def test_many_texts_are_encoded_in_batches(tmp_path: Path) -> None:
    cache, encoder = PromptCache(tmp_path, TEXT_LEN), Encoder()
    texts = [f"t{index}" for index in range(19)]
    cache.encode(texts, encoder)
    assert [len(batch) for batch in encoder.batches] == [8, 8, 3]
    assert cache.missing(texts) == []
    assert all(torch.equal(cache[text], encoder.embedding(text)) for text in texts)


def test_a_text_that_was_never_encoded_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="boat"):
        PromptCache(tmp_path, TEXT_LEN)["boat"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9], ids=str)
def test_a_damaged_file_is_a_miss_and_is_made_again(share: float, tmp_path: Path) -> None:
    cache, encoder = PromptCache(tmp_path, TEXT_LEN), Encoder()
    cache.encode(["boat"], encoder)
    (file,) = files_of(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert cache.missing(["boat"]) == ["boat"]
    cache.encode(["boat"], encoder)
    assert torch.equal(cache["boat"], encoder.embedding("boat"))


def test_nothing_but_finished_files_lies_in_the_folder(tmp_path: Path) -> None:
    PromptCache(tmp_path, TEXT_LEN).encode(["boat", "pond"], Encoder())
    assert [file.suffix for file in files_of(tmp_path)] == [".safetensors"] * 2


def test_every_encoder_has_a_folder_of_its_own() -> None:
    keys = {
        encoder_key(weights, tokenizer, dtype, torch.device(device))
        for weights in ("a" * 64, "b" * 64)
        for tokenizer in ("c" * 64, "d" * 64)
        for dtype in (torch.float32, torch.bfloat16)
        for device in ("cpu", "cuda:0", "cuda:1")
    }
    assert len(keys) == 16  # of two GPUs alike it is the same


def test_embeddings_of_a_cpu_belong_to_its_number_of_threads() -> None:
    keys = []
    for threads in (1, 2):
        with computing_threads(threads, torch.device("cpu")):
            keys.append(encoder_key("a" * 64, "c" * 64, torch.float32, torch.device("cpu")))
    assert keys[0] != keys[1]
