"""Who may ask: secrets, sessions, and the files that hold passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import ConfigError, MissingFileError
from rushes_queue.web.safety.access import Access


def test_every_server_has_a_token_of_its_own() -> None:
    first, second = Access.open(1), Access.open(1)
    assert first.secret != second.secret
    assert first.session not in (first.secret, second.session)
    assert first.is_secret(first.secret)
    assert not first.is_secret(second.secret)
    assert not first.is_secret("")
    assert not first.is_secret("ü")


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("  correct horse  \n")
    access = Access.open(1, file)
    assert access.is_password
    assert access.is_secret("correct horse")


@pytest.mark.parametrize("text", [b"short", b"", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe"])
def test_what_is_no_password_is_refused(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match="password"):
        Access.open(1, file)


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nothing: there is no such file"):
        Access.open(1, tmp_path / "nothing")


def test_the_session_is_in_a_cookie_that_scripts_and_other_sites_do_not_have() -> None:
    access = Access.open(8765)
    assert access.cookie.startswith(f"rushes-8765={access.session}; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(access.cookie.split("; "))
    assert access.has_session(f"other=1; rushes-8765={access.session}")
    for wrong in ("", "rushes-8765=", "rushes-8765=x", f"rushes-1={access.session}", "\x00=;;="):
        assert not access.has_session(wrong)


def test_programs_send_the_secret_as_bearer() -> None:
    access = Access.open(1)
    assert access.has_bearer(f"Bearer {access.secret}")
    for wrong in ("", access.secret, f"Basic {access.secret}", "Bearer ", "Bearer x"):
        assert not access.has_bearer(wrong)
