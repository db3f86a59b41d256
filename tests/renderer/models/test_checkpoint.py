"""Weight files: every public container is read, everything else is refused in one line."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from renders.tiny_models import normal
from rushes.errors import CheckpointError, MissingFileError
from rushes.models.checkpoint import files_of, load_strictly, read_state_dict

WEIGHTS = {"a.weight": normal(2, 3, seed=1), "a.bias": normal(2, seed=2)}


def prefixed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"model.{name}": tensor for name, tensor in weights.items()}


CONTAINERS: dict[str, Any] = {
    "bare": WEIGHTS,
    "bare with prefix": prefixed(WEIGHTS),
    "generator": {"generator": prefixed(WEIGHTS), "step": 900},
    "generator_ema": {"generator_ema": WEIGHTS, "critic": {"x": torch.zeros(1)}},
    "state_dict": {"epoch": 1, "state_dict": prefixed(WEIGHTS)},
    "generator before generator_ema": {
        "generator_ema": {"x": torch.zeros(1)},
        "generator": WEIGHTS,
    },
    "prefix on some": {"model.a.weight": WEIGHTS["a.weight"], "a.bias": WEIGHTS["a.bias"]},
}


def assert_holds_weights(state: dict[str, Tensor]) -> None:
    assert state.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert torch.equal(state[name], tensor)


# --- containers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("ending", [".pt", ".pth"])
def test_every_public_container_is_read(container: str, ending: str, tmp_path: Path) -> None:
    torch.save(CONTAINERS[container], tmp_path / f"model{ending}")
    assert_holds_weights(read_state_dict(tmp_path / f"model{ending}"))


@pytest.mark.parametrize("weights", [WEIGHTS, prefixed(WEIGHTS)], ids=["bare", "prefixed"])
def test_safetensors_are_read(weights: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "model.safetensors")
    assert_holds_weights(read_state_dict(tmp_path / "model.safetensors"))


def test_only_one_prefix_is_taken_off(tmp_path: Path) -> None:
    save_file({"model.model.x": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert list(read_state_dict(tmp_path / "model.safetensors")) == ["model.x"]


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn], ids=str
)
def test_weights_keep_the_dtype_they_are_stored_in(dtype: torch.dtype, tmp_path: Path) -> None:
    weights = {"x": normal(4).to(dtype)}
    save_file(weights, tmp_path / "x.safetensors")
    torch.save(weights, tmp_path / "x.pt")
    for name in ("x.safetensors", "x.pt"):
        loaded = read_state_dict(tmp_path / name)["x"]
        assert loaded.dtype == dtype
        assert torch.equal(loaded.float(), weights["x"].float())


def test_a_pickled_file_in_the_old_layout_is_read(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_holds_weights(read_state_dict(tmp_path / "old.pth"))


# --- files that are refused ----------------------------------------------------------------------


class Payload:
    """Runs a command when it is unpickled without care."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> Any:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("way", ["torch.save", "old torch.save", "pickle.dump"])
def test_a_checkpoint_with_code_is_refused_and_not_executed(way: str, tmp_path: Path) -> None:
    victim, path = tmp_path / "executed", tmp_path / "model.pt"
    content = {"generator": WEIGHTS, "extra": Payload(victim)}
    if way == "pickle.dump":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=way == "torch.save")
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    assert not victim.exists()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_payload_of_the_test_above_would_execute(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_a_file_that_was_cut_short_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    whole, path = tmp_path / f"whole{ending}", tmp_path / f"model{ending}"
    weights = {f"x.{index}": normal(50, 50, seed=index) for index in range(5)}
    if ending == ".safetensors":
        save_file(weights, whole)
    else:
        torch.save(weights, whole)
    content = whole.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_a_file_of_another_kind_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    path.write_text("<html>404</html>\n" * 100)
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_a_file_under_the_ending_of_the_other_kind_is_refused(ending: str, tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    torch.save(WEIGHTS, tmp_path / "a.pt")
    other = {".safetensors": ".pt", ".pt": ".safetensors"}[ending]
    shutil.copy(tmp_path / f"a{other}", tmp_path / f"b{ending}")
    with pytest.raises(CheckpointError):
        read_state_dict(tmp_path / f"b{ending}")


@pytest.mark.parametrize("content", [{}, {"generator": {}}, [torch.zeros(1)], torch.zeros(1)])
def test_a_checkpoint_without_weights_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="holds no weights"):
        read_state_dict(tmp_path / "model.pt")


def test_entries_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    torch.save({**WEIGHTS, "epoch": 3, "lr": 0.1}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="epoch, lr are not tensors"):
        read_state_dict(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["none.safetensors", "none.pt", "."])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such weights file"):
        read_state_dict(tmp_path / name)


# --- several files -------------------------------------------------------------------------------


def write_shards(folder: Path) -> Path:
    """Write the weights as two shards; return their index."""
    files = {
        "a.weight": "model-00001-of-00002.safetensors",
        "a.bias": "model-00002-of-00002.safetensors",
    }
    for name, file in files.items():
        save_file({name: WEIGHTS[name]}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return index


def test_shards_are_read_through_their_index(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    assert_holds_weights(read_state_dict(index))
    assert [path.name for path in files_of(index)] == [
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    shard = tmp_path / "model-00002-of-00002.safetensors"
    shard.unlink()
    with pytest.raises(MissingFileError, match=f"{shard}: missing, .* fetch it"):
        read_state_dict(index)


def test_a_shard_that_was_cut_short_is_named(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    shard = tmp_path / "model-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match=f"{shard}: damaged or incomplete .* fetch it again"):
        read_state_dict(index)


def test_a_shard_without_what_the_index_says_is_named(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    shard = tmp_path / "model-00001-of-00002.safetensors"
    save_file({"other": torch.zeros(1)}, shard)
    with pytest.raises(CheckpointError, match=rf"{shard}: lacks a\.weight"):
        read_state_dict(index)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "../b.safetensors"}}']
)
def test_an_index_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text)
    for read in (read_state_dict, files_of):
        with pytest.raises(CheckpointError, match=f"{index}: not an index of shards"):
            read(index)


# --- loading into a network ----------------------------------------------------------------------


class Network(nn.Module):
    def __init__(self, num_extra: int = 0) -> None:
        super().__init__()
        self.a = nn.Linear(3, 2)
        self.extra = nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(num_extra))


def network(num_extra: int = 0) -> Network:
    with torch.device("meta"):
        return Network(num_extra)


def test_a_network_takes_the_weights_over_as_they_are() -> None:
    weights = {name: tensor.bfloat16() for name, tensor in WEIGHTS.items()}
    loaded = network()
    load_strictly(loaded, weights, "origin")
    assert loaded.a.weight.dtype == torch.bfloat16
    assert loaded.a.weight.data_ptr() == weights["a.weight"].data_ptr()
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_nothing_is_left_on_the_meta_device() -> None:
    loaded = network()
    load_strictly(loaded, WEIGHTS, "origin")
    assert not any(parameter.is_meta for parameter in loaded.parameters())


def test_a_buffer_that_no_file_holds_is_named() -> None:
    loaded = network()
    loaded.register_buffer("table", torch.zeros(2, device="meta"), persistent=False)
    with pytest.raises(CheckpointError, match="left table without values"):
        load_strictly(loaded, WEIGHTS, "origin")


def test_weights_that_are_themselves_without_values_are_refused() -> None:
    empty = {name: tensor.to("meta") for name, tensor in WEIGHTS.items()}
    with pytest.raises(CheckpointError, match=r"left a\.weight, a\.bias without values"):
        load_strictly(network(), empty, "origin")


def test_missing_unexpected_and_misshaped_weights_are_all_listed() -> None:
    wrong = {"a.weight": torch.zeros(3, 2), "b.weight": torch.zeros(1)}
    loaded = network()
    with pytest.raises(CheckpointError) as caught:
        load_strictly(loaded, wrong, "folder/model.pt")
    assert str(caught.value) == (
        "folder/model.pt: does not fit this model: missing: a.bias; unexpected: b.weight; "
        "mis-shaped: a.weight [3, 2] instead of [2, 3]"
    )
    assert all(parameter.is_meta for parameter in loaded.parameters())


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(CheckpointError, match=r"missing: extra\.0\.weight, .* and 4 more$"):
        load_strictly(network(num_extra=12), WEIGHTS, "origin")


# --- entries and wrappers ------------------------------------------------------------------------


def test_the_entry_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in WEIGHTS.items()}
    torch.save({"generator": other, "generator_ema": WEIGHTS}, tmp_path / "model.pt")
    assert_holds_weights(read_state_dict(tmp_path / "model.pt", "generator_ema"))


def test_another_entry_is_never_taken_for_the_one_that_is_asked_for(tmp_path: Path) -> None:
    torch.save({"generator": WEIGHTS}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="lacks generator_ema"):
        read_state_dict(tmp_path / "model.pt", "generator_ema")


@pytest.mark.parametrize(
    "wrapped",
    [
        "model._fsdp_wrapped_module.{}",
        "_fsdp_wrapped_module.model.{}",
        "model._orig_mod._checkpoint_wrapped_module.{}",
    ],
)
def test_what_wrappers_put_into_names_is_taken_out(wrapped: str, tmp_path: Path) -> None:
    state = {wrapped.format(name): tensor for name, tensor in WEIGHTS.items()}
    torch.save({"generator_ema": state}, tmp_path / "model.pt")
    assert_holds_weights(read_state_dict(tmp_path / "model.pt", "generator_ema"))


def test_two_names_that_become_one_are_refused(tmp_path: Path) -> None:
    twice = {"model.x": torch.zeros(1), "model._orig_mod.x": torch.zeros(1)}
    torch.save(twice, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="holds x twice"):
        read_state_dict(tmp_path / "model.pt")
