"""Hostile values in every parameter of every address are refused, and nothing leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from rushes.files.folders import Folders
from rushes_queue.web.alone.jobs import OwnJobs
from rushes_queue.web.api.files import _send
from web.serving import Serving, serving

HOSTILE = (
    *("../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "C:\\Windows\\win.ini"),
    *("*", "", " ", "a" * 5000, "\x00", "a\r\nSet-Cookie: x=1", "'; DROP TABLE jobs; --"),
    *("<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://x}", "\ud800", "١٢", "-1", "1e999"),
    *("999999999999999999999999", "NaN", "true", "[]", "file:///etc/passwd", "http://127.0.0.1:1/"),
)
STEPS = [16, pytest.param(1, marks=pytest.mark.long)]  # every value for every place takes long
SECRET = "a line that only this machine has"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a secret in its folders."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret.txt").write_text(SECRET)
    folders = Folders(folder / "models", folder / "cache", ())
    with serving(OwnJobs(folder / "own", folders), folder) as served:
        yield served


@pytest.fixture(scope="module")
def description(served: Serving) -> dict[str, Any]:
    answer: dict[str, Any] = served.json("openapi.json")
    return answer


def is_refused(served: Serving, answer: httpx2.Response) -> None:
    """Check that an answer is no failure of the server, and tells nothing of the machine."""
    assert answer.status_code < 500 or answer.status_code in (501, 503, 504), answer.text
    for told in ("root:", SECRET, str(served.services.requests_folder), "Traceback"):
        assert told not in answer.text
    assert "x=1" not in answer.headers.get("set-cookie", "")


def texts_for(value: str) -> str:
    return quote(value, safe="", errors="surrogatepass")


@pytest.mark.parametrize("step", STEPS)
def test_in_every_address_and_query(
    served: Serving, description: dict[str, Any], step: int
) -> None:
    num_asked = 0
    for path, verbs in description["paths"].items():
        read = verbs.get("get")
        if read is None or path.endswith("/watch"):  # which does not end
            continue
        for value in HOSTILE[num_asked % step :: step]:
            filled, query = path, []
            for parameter in read.get("parameters", []):
                text = texts_for(value)
                if parameter["in"] == "path":
                    filled = filled.replace(f"{{{parameter['name']}}}", text or "%20")
                elif parameter["in"] == "query" and parameter["name"] != "follow":
                    query.append(f"{parameter['name']}={text}")
            is_refused(served, served.client.get(f"{filled}?{'&'.join(query)}"))
            num_asked += 1
    assert num_asked > 10 * len(HOSTILE) // step


@pytest.mark.parametrize("step", STEPS)
def test_in_every_field_of_every_body(
    served: Serving, description: dict[str, Any], step: int
) -> None:
    schemas = description["components"]["schemas"]
    odd: tuple[Any, ...] = (*HOSTILE[:14], 10**30, -1, 1.5e308, True, None, [], {}, [[]], {"a": {}})
    num_asked = 0
    for path, verbs in description["paths"].items():
        body = verbs.get("post", {}).get("requestBody")
        if body is None or (step > 1 and path.endswith("/draft")):  # as plan, and loads torch
            continue
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for field in schemas[name]["properties"]:
            for value in odd[num_asked % step :: step]:
                sent = json.dumps({"timeline": {"prompts": []}, field: value})
                headers = {"content-type": "application/json"}
                is_refused(served, served.client.post(path, content=sent, headers=headers))
                num_asked += 1
    assert num_asked > 500 // step


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"timeline":' * 50_000,
        b'{"jobs": [' + b"9" * 10_000 + b"]}",
        b'{"jobs": NaN}',
        b'{"jobs": ["\\ud800"]}',
        b"\xff\xfe\x00",
        b'{"jobs": [], "jobs": {}}',
        b"",
        b"null",
    ],
    ids=lambda body: str(body[:20]),
)
def test_bodies_that_are_not_what_they_say(served: Serving, body: bytes) -> None:
    for path in ("cancel", "check", "plan", "submit", "convert"):
        headers = {"content-type": "application/json"}
        answer = served.client.post(f"/api/v1/{path}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text[:300]
        assert answer.json()["errors"], path


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_forms_of_other_pages_are_no_json(served: Serving, kind: str) -> None:
    """A form cannot send JSON as JSON; browsers would have to ask first."""
    body = b'{"all": true, "x": "="}'
    answer = served.client.post("/api/v1/cancel", content=body, headers={"content-type": kind})
    assert answer.status_code in (400, 415, 422)


@pytest.mark.parametrize(
    "name", ['a"b.bin', "a\r\nSet-Cookie: x=1.bin", "ä;filename=evil.exe", "a\\b.bin", "<b>.svg"]
)
def test_names_of_files_cannot_write_headers(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    headers = _send(tmp_path / name).headers
    value = headers["content-disposition"]
    assert value.startswith("attachment; filename")
    assert not set(value) & {"\r", "\n"}
    assert "set-cookie" not in headers
    assert value.count('"') in (0, 2)
    assert ";filename=evil" not in value
    assert headers["content-type"] == "application/octet-stream"
