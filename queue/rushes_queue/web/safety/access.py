"""Who may use the server: those who know its token or its password, and their sessions."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from rushes.errors import ConfigError, MissingFileError

_LEAST_PASSWORD = 8  # characters
_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Access:
    """One secret, and the value of the cookie that those get who showed it.

    Cookies do not know ports, so the cookie's name has the port in it.
    """

    secret: str
    cookie_name: str
    is_password: bool = False
    session: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))

    @classmethod
    def open(cls, port: int, password_file: Path | None = None) -> Access:
        """Make a token, or read the password.

        Raises: MissingFileError when there is no such file; ConfigError for a short password.
        """
        name = f"rushes-{port}"
        if password_file is None:
            return cls(secrets.token_urlsafe(_TOKEN_BYTES), name)
        try:
            password = password_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise MissingFileError(f"{password_file}: there is no such file") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{password_file}: cannot be read: {error}") from error
        if len(password) < _LEAST_PASSWORD:
            raise ConfigError(
                f"{password_file}: the password has {len(password)} characters; write at least "
                f"{_LEAST_PASSWORD}"
            )
        return cls(password, name, is_password=True)

    def is_secret(self, text: str) -> bool:
        """Say whether a text is the token or password, in the same time for every text."""
        return hmac.compare_digest(text.encode(), self.secret.encode())

    def has_session(self, cookies: str) -> bool:
        """Say whether the header ``Cookie`` holds the session."""
        try:
            morsel = SimpleCookie(cookies).get(self.cookie_name)
        except CookieError:
            return False
        value = "" if morsel is None else morsel.value
        return hmac.compare_digest(value.encode(), self.session.encode())

    def has_bearer(self, authorization: str) -> bool:
        """Say whether the header ``Authorization`` holds the token or password."""
        kind, _, text = authorization.partition(" ")
        return kind.lower() == "bearer" and self.is_secret(text.strip())

    @property
    def cookie(self) -> str:
        """The header ``Set-Cookie`` of somebody who showed the secret."""
        return f"{self.cookie_name}={self.session}; Path=/; HttpOnly; SameSite=Strict"
