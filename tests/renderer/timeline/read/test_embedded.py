"""Workflows that carry their files: checked, kept by hash, used, however large they are."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rushes.timeline.read.load import LoadedTimeline, load_timeline

CONTENT = b"\x89PNG picture" * 7


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUSHES_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def asset(content: bytes = CONTENT, **more: Any) -> dict[str, Any]:
    return {
        "filename": "ref.png",
        "mime_type": "image/png",
        "size_bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        "data": base64.b64encode(content).decode(),
    } | more


def workflow(*assets: dict[str, Any], **params: Any) -> dict[str, Any]:
    named = {"input_mode": "text", "vace_ref_images": ["/home/ann/ref.png"]} | params
    return {
        "format": "scope-workflow",
        "format_version": "1.1",
        "metadata": {"name": "t"},
        "pipelines": [{"pipeline_id": "streamdiffusionv2", "params": named}],
        "prompts": [{"text": "a boat", "weight": 1}],
        "embedded_assets": list(assets),
    }


def load(folder: Path, document: dict[str, Any]) -> LoadedTimeline:
    path = folder / "t.json"
    path.write_text(json.dumps(document))
    return load_timeline(path)


def errors(loaded: LoadedTimeline) -> list[str]:
    return [str(problem) for problem in loaded.problems if problem.severity == "error"]


def test_a_picture_that_is_carried_is_used(tmp_path: Path, cache: Path) -> None:
    loaded = load(tmp_path, workflow(asset()))
    assert loaded.problems == ()
    (reference,) = loaded.require().blocks[0].images.references
    path = cache / "assets" / sha256(CONTENT).hexdigest() / "ref.png"
    assert Path(reference) == path
    assert path.read_bytes() == CONTENT
    assert [*(cache / "assets").iterdir()] == [path.parent]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": "0" * 64}, "ref.png is damaged"),
        ({"size_bytes": 5}, "ref.png is damaged"),
        ({"data": "not base64!"}, "is not base64"),
        ({"data": "QUJD=A"}, "is not base64"),
        ({"data": "ä" * 8}, "is not base64"),
        ({"data": None}, "data: is missing"),
        ({"sha256": "xyz"}, "64 hexadecimal digits"),
        ({"filename": ""}, "must be the name of a file"),
        ({"filename": ".."}, "must be the name of a file"),
        ({"filename": None}, "must be the name of a file"),
    ],
    ids=str,
)
def test_a_damaged_one_is_an_error_and_leaves_nothing(
    tmp_path: Path, cache: Path, change: dict[str, Any], says: str
) -> None:
    assert any(says in error for error in errors(load(tmp_path, workflow(asset(**change)))))
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_name_leads_out_of_no_folder(tmp_path: Path, cache: Path) -> None:
    loaded = load(tmp_path, workflow(asset(filename="../../../ref.png")))
    (reference,) = loaded.require().blocks[0].images.references
    assert Path(reference).is_relative_to(cache)


def test_two_of_one_name_are_refused_unless_they_are_one_or_have_paths(tmp_path: Path) -> None:
    other = asset(b"GIF89a" * 9)
    assert "is the name of two files" in errors(load(tmp_path, workflow(asset(), other)))[0]
    assert errors(load(tmp_path, workflow(asset(), asset()))) == []
    named = workflow(
        asset(original_path="/home/ann/ref.png"),
        other | {"original_path": "/tmp/ref.png"},
        vace_ref_images=["/tmp/ref.png"],
    )
    (reference,) = load(tmp_path, named).require().blocks[0].images.references
    assert Path(reference).read_bytes() == b"GIF89a" * 9


@pytest.mark.parametrize(
    "written",
    ["/x/REF.png", "ref\u0301.png", "a1", sha256(CONTENT).hexdigest(), "/home/ann/old.png"],
    ids=["letters", "accent", "id", "hash", "path"],
)
def test_a_picture_goes_by_its_other_names_too(tmp_path: Path, written: str) -> None:
    filename = "re\u0301f.png" if written == "ref\u0301.png" else "ref.png"
    written = "r\u00e9f.png" if written == "ref\u0301.png" else written
    carried = asset(filename=filename, id="a1", original_path="/home/ann/old.png")
    loaded = load(tmp_path, workflow(carried, vace_ref_images=[written]))
    (reference,) = loaded.require().blocks[0].images.references
    assert Path(reference).read_bytes() == CONTENT


def test_a_picture_that_nothing_uses_is_a_warning(tmp_path: Path) -> None:
    loaded = load(tmp_path, workflow(asset(), vace_ref_images=[]))
    (warning,) = loaded.require().warnings
    assert "ref.png is embedded, and nothing that is rendered here uses it" in warning


@pytest.mark.parametrize("size", [1, 17 * 2**20], ids=["small", "large"])
def test_a_picture_in_an_address_is_used(tmp_path: Path, cache: Path, size: int) -> None:
    content = CONTENT + b"x" * size
    address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    loaded = load(tmp_path, workflow(vace_ref_images=[address]))
    (reference,) = loaded.require().blocks[0].images.references
    assert Path(reference).read_bytes() == content
    assert Path(reference).is_relative_to(cache)


def test_an_address_without_base64_is_refused(tmp_path: Path) -> None:
    (error,) = errors(load(tmp_path, workflow(vace_ref_images=["data:image/png,abc"])))
    assert "holds no base64" in error


def test_a_lora_that_is_carried_is_found(tmp_path: Path) -> None:
    document = workflow(asset(filename="ink.safetensors"), vace_ref_images=[])
    document["pipelines"][0]["loras"] = [{"filename": "ink.safetensors", "weight": 1}]
    assert errors(load(tmp_path, document)) == []


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "escaped"])
def test_a_large_file_is_carried_without_being_in_memory(
    tmp_path: Path, cache: Path, wrapped: bool
) -> None:
    content = os.urandom(48 * 2**20) + b"x"
    text = json.dumps(workflow(asset(content)))
    if wrapped:
        text = text.replace("/", "\\/")
    (tmp_path / "t.json").write_text(text)
    code = (
        "import resource, sys; from rushes.timeline.read.load import load_timeline\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "loaded = load_timeline(sys.argv[1]); print(loaded.require().blocks[0].images.references)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.json")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"RUSHES_CACHE_DIR": str(cache)},
    )
    path = cache / "assets" / sha256(content).hexdigest() / "ref.png"
    assert path.read_bytes() == content
    assert str(path) in done.stdout
    assert int(done.stdout.splitlines()[-1]) < 96 * 2**10  # KiB; the file alone has 64 MiB
    assert not [each for each in (cache / "assets").iterdir() if each.name.startswith(".")]


def test_long_texts_that_are_no_media_do_not_lift_the_limit(tmp_path: Path) -> None:
    document = workflow(asset()) | {"notes": ["x" * 1000] * 20_000}
    assert "is over the limit of 16 MiB" in errors(load(tmp_path, document))[0]
    document = workflow(asset()) | {"notes": "x" * (17 * 2**20)}
    assert load(tmp_path, document).ok


def test_what_stands_for_a_lifted_text_cannot_be_written(tmp_path: Path) -> None:
    document = workflow(asset(data="lifted:0:0")) | {"notes": "x" * (17 * 2**20)}
    assert "is not base64" in errors(load(tmp_path, document))[0]
