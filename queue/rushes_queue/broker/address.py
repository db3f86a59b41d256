"""The broker's URL as people write it, in one spelling that redis-py and kombu both take."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from rushes.errors import ConfigError

SCHEMES = ("redis", "rediss", "unix")
EXAMPLE = "write redis://host:6379/0"
TLS_OPTIONS = (
    *("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password"),
    "ssl_check_hostname",
)
OPTIONS = ("db", *TLS_OPTIONS)
_CERT_REQS = ("none", "optional", "required")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")


def read_address(url: str) -> str:
    """Return a URL in the one spelling; it says the same, and reading it again changes nothing.

    ``ssl=True`` becomes the scheme ``rediss``, kombu's ``virtual_host`` becomes ``db``,
    ``CERT_NONE`` becomes ``none``, and a ``password`` among the options goes before the host.
    Raises: ConfigError that shows no part of a password.
    Source: redis-py: redis/connection.py (parse_url); kombu: utils/url.py (parse_ssl_cert_reqs)
    """
    scheme, separator, rest = url.partition("://")
    if "sentinel" in scheme:
        raise ConfigError(f"Redis Sentinel is not offered; name the primary itself: {EXAMPLE}")
    if not separator or scheme not in SCHEMES:
        raise ConfigError(f"the broker must be a Redis server: {EXAMPLE}")
    _refuse_bare_password(scheme, rest)
    try:
        parts = urlsplit(url)
        is_usable = parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError as error:  # UnicodeError is one of them
        raise ConfigError(f"the broker's URL has no usable host and port: {EXAMPLE}") from error
    if not is_usable:
        raise ConfigError(f"port 0 of the broker's URL is not a port: {EXAMPLE}")
    if scheme == "unix" and parts.hostname:
        raise ConfigError("the broker's URL has no whole path; write unix:///run/redis.sock")
    if parts.fragment:
        raise ConfigError(f"the broker's URL has a # in it, which means nothing: {EXAMPLE}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = parts.path
    if scheme != "unix":
        scheme = _scheme(scheme, options)
        path = _database_path(path, options)
    elif "virtual_host" in options:
        options.setdefault("db", options.pop("virtual_host"))
    place = _with_user(parts.netloc, options)
    _check_options(scheme, options)
    query = urlencode(options, safe="/:")
    return f"{scheme}://{place}{path}{'?' * bool(query)}{query}"


def tls_options(url: str) -> dict[str, str]:
    """Return the options of a URL that are about TLS."""
    return {name: text for name, text in parse_qsl(urlsplit(url).query) if name in TLS_OPTIONS}


def _refuse_bare_password(scheme: str, rest: str) -> None:
    """Refuse a password with a character that ends it early for every reader of URLs."""
    before, at, place = rest.rpartition("@")
    if scheme == "unix" and not before.partition("/")[0]:
        return  # the @ stands in a path
    if at and re.search(r"[/#?@]", before):
        raise ConfigError(
            "the broker's URL has a user or password with one of / # ? @ in it; percent-encode it: "
            "/ is %2F, # is %23, ? is %3F, @ is %40"
        )
    if at and not place and scheme != "unix":
        raise ConfigError(f"the broker's URL names no host behind the @: {EXAMPLE}")


def _with_user(place: str, options: dict[str, str]) -> str:
    """Return the host with a user and password that may stand among the options."""
    given = [quote(options.pop(name, ""), safe="") for name in ("username", "password")]
    if not any(given):
        return place
    if "@" in place:
        raise ConfigError("the broker's URL names a user or password twice; leave one out")
    return f"{':'.join(given)}@{place}"


def _scheme(scheme: str, options: dict[str, str]) -> str:
    wanted = options.pop("ssl", None)
    if wanted is None:
        return scheme
    if wanted.lower() in _YES:
        return "rediss"
    if wanted.lower() in _NO and scheme == "redis":
        return "redis"
    raise ConfigError(
        f"the broker's URL says {scheme}:// and ssl={wanted[:20]}; write rediss:// for TLS, else "
        "redis://, without ssl"
    )


def _database_path(path: str, options: dict[str, str]) -> str:
    """Return the path that names the database, which may be named among the options instead."""
    named = {options.pop(name) for name in ("db", "virtual_host") if name in options}
    named |= {path.strip("/")} - {""}
    if len(named) > 1:
        raise ConfigError(f"the broker's URL names more than one database; {EXAMPLE}")
    number = next(iter(named), "0")
    if not re.fullmatch(r"[0-9]{1,5}", number):
        raise ConfigError(
            "the broker's URL names a database that is not a number; write redis://host:6379/0"
        )
    return f"/{number}" if named else path


def _check_options(scheme: str, options: dict[str, str]) -> None:
    unknown = [name[:40] for name in options if name not in OPTIONS]
    if unknown:
        raise ConfigError(
            f"the broker's URL has options that are unknown: {', '.join(unknown)}; known are "
            f"{', '.join(OPTIONS)}; leave them out"
        )
    if scheme != "rediss" and any(name in TLS_OPTIONS for name in options):
        raise ConfigError("the broker's URL has options of TLS; write rediss:// for TLS")
    if "ssl_cert_reqs" in options:
        plain = options["ssl_cert_reqs"].lower().removeprefix("cert_")
        if plain not in _CERT_REQS:
            raise ConfigError(f"the broker's URL: ssl_cert_reqs is one of {', '.join(_CERT_REQS)}")
        options["ssl_cert_reqs"] = plain
    if options.get("ssl_check_hostname", "true").lower() not in _YES + _NO:
        raise ConfigError("the broker's URL: ssl_check_hostname is true or false")
    if not re.fullmatch(r"[0-9]{0,5}", options.get("db", "")):
        raise ConfigError("the broker's URL: db must be a number")
