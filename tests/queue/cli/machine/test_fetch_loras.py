"""``rushes models fetch-loras`` against a server of our own that answers like the two hosts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rushes_queue.cli import app

CONTENT = b"a lora" * 1000
DIGEST = sha256(CONTENT).hexdigest()


class Host:
    """A server with answers by path; it keeps the tokens that it was given."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | int] = {}
        self.tokens: dict[str, str | None] = {}
        self.ranges: list[str | None] = []
        self.gives_parts = True
        self.breaks_after: int | None = None  # bytes, of every answer
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.tokens[self.path] = self.headers.get("Authorization")
                answer = host.answers.get(self.path, 404)
                asked = self.headers.get("Range")
                host.ranges.append(asked)
                is_part = isinstance(answer, bytes) and asked is not None and host.gives_parts
                if isinstance(answer, bytes) and is_part:
                    answer = answer[int(str(asked)[6:-1]) :]
                code = answer if isinstance(answer, int) else 206 if is_part else 200
                self.send_response(code)
                if isinstance(answer, bytes):
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if isinstance(answer, bytes):
                    self.wfile.write(answer[: host.breaks_after])

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    host.answers = {
        "/api/models/ann/film?blobs=true": json.dumps(
            {"cardData": {"license": "apache-2.0"}}
        ).encode(),
        "/ann/film/resolve/main/v1/film.safetensors": CONTENT,
        "/api/v1/model-versions/27": json.dumps(
            {"modelId": 9, "files": [{"name": "ink.safetensors", "hashes": {"SHA256": DIGEST}}]}
        ).encode(),
        "/api/v1/models/9": json.dumps({"allowCommercialUse": ["Image"]}).encode(),
        "/api/download/models/27": CONTENT,
    }
    for name, value in (
        ("HF_ENDPOINT", host.url),
        ("CIVITAI_ENDPOINT", host.url),
        ("HF_TOKEN", "hugging"),
        ("CIVITAI_TOKEN", "civit"),
    ):
        monkeypatch.setenv(name, value)
    yield host
    host.server.shutdown()
    host.server.server_close()


FILM = {
    "filename": "film.safetensors",
    "weight": 1,
    "sha256": DIGEST.upper(),
    "provenance": {
        "source": "huggingface",
        "repo_id": "ann/film",
        "hf_filename": "v1/film.safetensors",
    },
}
INK = {
    "filename": "ink.safetensors",
    "weight": 1,
    "provenance": {"source": "civitai", "version_id": "27"},
}


def fetch(folder: Path, *loras: dict[str, Any]) -> Result:
    pipeline = {"pipeline_id": "streamdiffusionv2", "loras": list(loras)}
    file = folder / "t.scope-workflow.json"
    file.write_text(json.dumps({"format": "scope-workflow", "pipelines": [pipeline]}))
    return CliRunner().invoke(app, ["models", "fetch-loras", str(file)])


def test_both_hosts_are_asked_with_their_own_tokens(host: Host, tmp_path: Path) -> None:
    result = fetch(tmp_path, FILM, INK)
    assert result.exit_code == 0, result.output
    for name in ("film", "ink"):
        assert (tmp_path / "loras" / f"{name}.safetensors").read_bytes() == CONTENT
    assert "licence: apache-2.0" in result.stderr
    assert "licence: civitai; commercial use: Image" in result.stderr
    assert host.tokens["/ann/film/resolve/main/v1/film.safetensors"] == "Bearer hugging"
    assert host.tokens["/api/download/models/27"] == "Bearer civit"
    host.tokens.clear()
    assert fetch(tmp_path, FILM, INK).exit_code == 0
    assert host.tokens == {}


@pytest.mark.parametrize("lora", [FILM, INK], ids=["document's hash", "publisher's hash"])
def test_another_content_leaves_nothing(host: Host, tmp_path: Path, lora: dict[str, Any]) -> None:
    host.answers |= {
        "/ann/film/resolve/main/v1/film.safetensors": b"other",
        "/api/download/models/27": b"other",
    }
    result = fetch(tmp_path, lora)
    assert result.exit_code == 1
    assert "is another file than" in result.stderr
    assert [*(tmp_path / "loras").iterdir()] == []


@pytest.mark.parametrize(
    ("status", "says", "code"),
    [(401, "wants a token", 1), (404, "does not have it", 4), (503, "503", 5)],
)
def test_what_the_host_refuses_is_told(
    host: Host, tmp_path: Path, status: int, says: str, code: int
) -> None:
    host.answers["/api/download/models/27"] = status
    result = fetch(tmp_path, INK)
    assert (result.exit_code, says in result.stderr) == (code, True)


def test_a_lora_without_a_place_is_told_and_the_others_are_fetched(
    host: Host, tmp_path: Path
) -> None:
    lost = {"filename": "own.safetensors", "provenance": {"source": "local"}}
    result = fetch(tmp_path, lost, FILM)
    assert result.exit_code == 10
    assert "own.safetensors: the file does not say where it can be fetched" in result.stderr


def test_a_name_leads_out_of_no_folder(host: Host, tmp_path: Path) -> None:
    fetch(tmp_path, FILM | {"filename": "../../film.safetensors"})
    assert (tmp_path / "loras" / "film.safetensors").is_file()


@pytest.mark.parametrize("gives_parts", [True, False], ids=["resumes", "starts over"])
def test_a_broken_download_goes_on_where_it_stopped(
    host: Host, tmp_path: Path, gives_parts: bool
) -> None:
    host.gives_parts, host.breaks_after = gives_parts, 2000
    assert fetch(tmp_path, FILM).exit_code == 5
    folder = tmp_path / "loras"
    assert not (folder / "film.safetensors").exists()
    (partial,) = folder.glob(".film.safetensors.*.part")
    assert partial.stat().st_size == 2000
    host.breaks_after = None
    assert fetch(tmp_path, FILM).exit_code == 0
    assert host.ranges[-1] == "bytes=2000-"
    assert [path.name for path in folder.iterdir()] == ["film.safetensors"]
    assert (folder / "film.safetensors").read_bytes() == CONTENT


def test_what_came_of_a_changed_file_is_thrown_away(host: Host, tmp_path: Path) -> None:
    host.breaks_after = 2000
    assert fetch(tmp_path, FILM).exit_code == 5
    host.breaks_after = None
    host.answers["/ann/film/resolve/main/v1/film.safetensors"] = b"another" * 1000
    assert fetch(tmp_path, FILM).exit_code == 1
    assert list((tmp_path / "loras").iterdir()) == []


def test_the_hash_that_hugging_face_gives_is_checked(host: Host, tmp_path: Path) -> None:
    blob = {"rfilename": "v1/film.safetensors", "lfs": {"sha256": "0" * 64}}
    card = {"cardData": {"license": "mit"}, "siblings": [blob]}
    host.answers["/api/models/ann/film?blobs=true"] = json.dumps(card).encode()
    lora = {key: value for key, value in FILM.items() if key != "sha256"}
    result = fetch(tmp_path, lora)
    assert result.exit_code == 1
    assert "is another file than" in result.stderr
