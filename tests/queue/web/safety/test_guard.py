"""The gate: attacks from other pages, other names, strangers, and those who send too much."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from rushes_queue.web.alone.jobs import OwnJobs
from rushes_queue.web.safety import bodies
from rushes_queue.web.safety.connections import PatientProtocol
from web.serving import Serving, serving

CANCEL = {"jobs": ["a" * 16]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server without a farm for all attacks."""
    folder = tmp_path_factory.mktemp("guard")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "SECONDS_BETWEEN_PARTS", 0.5)
        patch.setattr(PatientProtocol, "seconds_to_ask", 0.5)
        from rushes.files.folders import Folders

        folders = Folders(folder / "models", folder / "cache", ())
        with serving(OwnJobs(folder / "own", folders), folder, most_upload=1000) as served:
            yield served


def test_without_the_token_there_is_only_the_way_to_log_in(served: Serving) -> None:
    with served.stranger() as stranger:
        assert stranger.get("/api/v1/jobs").status_code == 401
        assert stranger.get("/api/v1/openapi.json").status_code == 401
        assert stranger.post("/api/v1/cancel", json=CANCEL).status_code == 403
        for page in ("/", "/job/abcd"):
            answer = stranger.get(page)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert stranger.get("/login").status_code == 200


def test_the_token_in_the_address_becomes_a_session(served: Serving) -> None:
    with served.stranger() as browser:
        entered = browser.get(served.server.address.removeprefix(served.server.origin))
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert "token" not in entered.headers["location"]
        assert browser.get("/api/v1/jobs").status_code == 200
        assert browser.post("/api/v1/cancel", json=CANCEL).status_code == 403  # without Origin
        ours = {"origin": served.server.origin}
        assert browser.post("/api/v1/cancel", json=CANCEL, headers=ours).status_code == 404


def test_a_wrong_token_takes_a_second_and_opens_nothing(served: Serving) -> None:
    with served.stranger() as stranger:
        begin = time.monotonic()
        assert stranger.get("/?token=wrong").status_code == 403
        assert time.monotonic() - begin >= 1.0
        bearer = {"authorization": "Bearer wrong"}
        assert stranger.get("/api/v1/jobs", headers=bearer).status_code == 401
        assert time.monotonic() - begin >= 2.0
        assert stranger.get("/api/v1/jobs").status_code == 401


def test_the_way_in_never_leads_to_another_server(served: Serving) -> None:
    with served.stranger() as browser:
        answer = browser.get(f"//evil.example/x?token={served.server.access.secret}")
        assert not answer.headers.get("location", "/").startswith(("//", "http"))


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", ""])
def test_another_name_is_not_answered(served: Serving, name: str) -> None:
    for method, path in (("GET", "/api/v1/jobs"), ("GET", "/"), ("POST", "/login")):
        answer = served.client.request(method, path, headers={"host": name})
        assert answer.status_code in (400, 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_other_pages_change_nothing_even_with_the_session(
    served: Serving, headers: dict[str, str]
) -> None:
    access = served.server.access
    cookie = {"cookie": f"{access.cookie_name}={access.session}"}
    with served.stranger(**cookie, **headers) as page:
        assert page.post("/api/v1/cancel", json=CANCEL).status_code == 403
        assert page.put("/api/v1/uploads?name=x", content=b"x").status_code == 403
        assert page.post("/login", content=f"secret={access.secret}").status_code == 403
        if "origin" in headers:
            assert page.get("/api/v1/jobs").status_code == 403


def test_every_answer_tells_browsers_what_they_may_do(served: Serving) -> None:
    for path in ("/", "/login", "/static/login.html", "/api/v1/jobs", "/nothing"):
        headers = served.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/static/..%2fapp.py",
            "/static//etc/passwd",
        ),
        *("/api/v1/fetch/../../etc/passwd", "/api/v1/fetch/abcd1234abcd1234/..%2f..%2fx"),
        *("/api/v1/document/..%2f..%2fetc", "/api/v1/input/%2e%2e%2f", "/job/../app.py"),
    ],
)
def test_no_path_leads_out(served: Serving, path: str) -> None:
    """As raw bytes: clients would tidy such paths up."""
    host = f"127.0.0.1:{served.server.port}"
    token = served.server.access.secret
    with socket.create_connection(("127.0.0.1", served.server.port)) as line:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        line.sendall(f"{head}Connection: close\r\n\r\n".encode())
        answer = line.makefile("rb").read()
    assert answer.split()[1] in (b"404", b"422", b"400"), answer[:300]
    assert b"root:" not in answer
    assert b"import" not in answer


def test_an_upload_that_says_it_is_10_gb_is_refused_at_once(served: Serving) -> None:
    token = served.server.access.secret
    with socket.create_connection(("127.0.0.1", served.server.port)) as line:
        head = (
            f"PUT /api/v1/uploads?name=big.mp4 HTTP/1.1\r\nHost: 127.0.0.1:{served.server.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {10 * 2**30}\r\n\r\n"
        )
        line.sendall(head.encode())
        assert line.recv(100).split()[1] == b"413"


def test_an_upload_that_only_grows_is_cut_off_and_leaves_nothing(served: Serving) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10 * 2**30 // 2**16):
            yield bytes(2**16)

    with suppress(httpx2.TransportError):  # the server need not be heard by one who only sends
        answer = served.client.put("/api/v1/uploads?name=big.mp4", content=endless())
        assert answer.status_code == 413
        assert "at most 1,000 bytes" in answer.json()["errors"][0]["message"]
    assert not list(served.services.folders.cache.glob("web/uploads/*"))


def test_a_whole_upload_is_named_by_its_hash(served: Serving, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"x" * 1000)
    assert served.upload(file) == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "a\x00b", "x" * 256])
def test_names_of_uploads_are_names_of_files(served: Serving, name: str) -> None:
    answer = served.client.put("/api/v1/uploads", params={"name": name}, content=b"x")
    assert answer.status_code in (400, 422)


def test_a_client_that_asks_nothing_is_cut_off(served: Serving) -> None:
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=20) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: ")
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""


def test_a_body_that_does_not_come_is_not_waited_for(served: Serving) -> None:
    token = served.server.access.secret
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=20) as line:
        head = (
            f"PUT /api/v1/uploads?name=slow HTTP/1.1\r\nHost: 127.0.0.1:{served.server.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: 500\r\n\r\nx"
        )
        line.sendall(head.encode())
        assert line.recv(100).split()[1] == b"408"


def test_a_password_opens_the_server_and_no_token_does(tmp_path: Path) -> None:
    from rushes.files.folders import Folders

    (tmp_path / "password").write_text("correct horse")
    folders = Folders(tmp_path / "models", tmp_path / "cache", ())
    backend = OwnJobs(tmp_path / "own", folders)
    with serving(backend, tmp_path, password_file=tmp_path / "password") as served:
        assert "token" not in served.server.address
        ours = {"origin": served.server.origin}
        with served.stranger(**ours) as browser:
            assert browser.get("/?token=correct+horse").headers["location"] == "/login"
            wrong = browser.post("/login", content="secret=wrong")
            assert wrong.headers["location"] == "/login?wrong"
            right = browser.post("/login", content="secret=correct%20horse")
            assert right.headers["location"] == "/"
            assert browser.get("/api/v1/jobs").status_code == 200
            assert browser.post("/login", content="x" * 5000).status_code == 413
