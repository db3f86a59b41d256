"""Where the values of settings come from, and which of several counts.

A flag counts more than a variable ``RUSHES_*``, that more than the project's file, that more than
the user's file, and that more than the default. Where no broker is named at all, a farm that runs
on this machine (``rushes up``) says where its broker and its storage are.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from rushes.errors import ConfigError
from rushes.text import printable, shortened
from rushes_queue.broker.connection import hide_password
from rushes_queue.settings.model import (
    ENVIRONMENT_PREFIX,
    LOCAL_FARM,
    NESTED_BY,
    SECRETS,
    Settings,
)

__all__ = [
    "ConfigFile",
    "LoadedSettings",
    "Origin",
    "Settings",
    "read_settings",
    "to_variables",
]

LocalFarmVariables = Callable[[Path], Mapping[str, str]]  # of the farm that lives in a folder
Place = tuple[str, ...]  # of a value: the names that lead to it
OriginKind = Literal["flag", "environment", "project file", "user file", "local farm", "default"]

_FALLBACKS = {"RUSHES_BROKER_URL": "REDIS_URL"}
_FLAGS = {"broker_url": "--broker", "storage_url": "--storage"}  # those that are spelt otherwise
_FOLDERS = ("models_dir", "cache_dir", "work_dir", "state_dir", "lora_dir", "storage_url")


@dataclass(frozen=True)
class Origin:
    """Where a value comes from."""

    kind: OriginKind
    name: str = ""  # of the flag, the variable or the file

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


DEFAULT = Origin("default")


@dataclass(frozen=True)
class ConfigFile:
    """A file that may hold settings, and whether it does."""

    kind: Literal["project file", "user file"]
    path: Path
    is_used: bool


@dataclass(frozen=True)
class LoadedSettings:
    """Settings, where each comes from, and the files that were looked at."""

    settings: Settings
    origins: Mapping[str, Origin]  # by dotted name; what is missing is a default
    files: tuple[ConfigFile, ...]
    unknown_variables: tuple[str, ...]  # of the environment, that look like settings

    def origin(self, name: str) -> Origin:
        return self.origins.get(name, DEFAULT)

    def shown(self) -> dict[str, Any]:
        """Return all values by dotted name as JSON-safe data, with secrets masked."""
        return {".".join(place): _shown(value) for place, value in _values(self.settings)}


def read_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    local_farm: LocalFarmVariables | None = None,
) -> LoadedSettings:
    """Collect the settings and where each comes from.

    ``flags`` are by name, ``None`` where one was not given. The environment is this process's, and
    the project's folder the current one, unless given. ``local_farm`` returns the variables that
    lead to the farm that lives in a folder, none while it does not run.

    Raises: ConfigError.
    """
    environment = os.environ if environment is None else environment
    files = _find_files(environment, folder or Path.cwd())
    variables = _Variables(environment)
    merged: dict[str, Any] = {}
    origins: dict[Place, Origin] = {}
    for file in reversed(files):
        if file.is_used:
            data = _read_file(file)
            _merge(merged, data)
            origins |= {place: Origin(file.kind, str(file.path)) for place in _places(data)}
    data = variables.settings()
    _merge(merged, data)
    origins |= {place: variables.origin(place) for place in _places(data)}
    data = {name: value for name, value in (flags or {}).items() if value is not None}
    _merge(merged, data)
    origins |= {place: Origin("flag", _flag(place)) for place in _places(data)}
    if "broker_url" not in merged and local_farm is not None:
        data, farm = _ask_local_farm(merged.get("state_dir"), local_farm)
        origins = {place: Origin("local farm", farm) for place in _places(data)} | origins
        merged = data | merged
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise _explain(error, merged, origins) from None
    return LoadedSettings(
        settings=settings,
        origins={".".join(place): origin for place, origin in origins.items()},
        files=files,
        unknown_variables=variables.unknown(),
    )


def to_variables(settings: Settings) -> dict[str, str]:
    """Return the variables that make another process read exactly these settings."""
    return {
        _variable(place): _as_text(place, value)
        for place, value in _values(settings)
        if value is not None
    }


class _Variables:
    """The variables ``RUSHES_*`` of an environment; an empty one counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = {
            name: value
            for name, value in environment.items()
            if name.startswith(ENVIRONMENT_PREFIX) and value
        }
        self._names: dict[str, str] = {}  # of what stands for a variable, by that variable
        for secret in SECRETS:
            self._read_secret_file(f"{ENVIRONMENT_PREFIX}{secret.upper()}")
        for name, fallback in _FALLBACKS.items():
            if name not in self._values and environment.get(fallback):
                self._values[name] = environment[fallback]
                self._names[name] = fallback

    def settings(self) -> dict[str, Any]:
        """Return what they set.

        Raises: ConfigError when one should be JSON and is not.
        """
        source = EnvSettingsSource(Settings, case_sensitive=False)
        source.env_vars = {name.lower(): value for name, value in self._values.items()}
        try:
            return source()
        except SettingsError as error:
            field = re.search(r'field "(\w+)"', str(error))
            name = _variable((field[1],)) if field else str(error)
            raise ConfigError(f"environment {name}: is not a JSON object") from error

    def origin(self, place: Place) -> Origin:
        """Return the variable that sets a value, by itself or as part of some JSON."""
        name = _variable(place)
        if name not in self._values:
            name = _variable(place[:1])
        return Origin("environment", self._names.get(name, name))

    def unknown(self) -> tuple[str, ...]:
        """Return those that set nothing."""
        known = {_variable(place[:length]) for place, _ in _values(Settings()) for length in (1, 2)}
        known |= {f"{ENVIRONMENT_PREFIX}{secret.upper()}_FILE" for secret in SECRETS}
        return tuple(sorted(set(self._values) - known))

    def _read_secret_file(self, name: str) -> None:
        path = self._values.get(f"{name}_FILE")
        if path is None:
            return
        if name in self._values:
            raise ConfigError(f"{name} and {name}_FILE are both set; unset one")
        try:
            self._values[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}_FILE: {path} cannot be read: {error}", path=path) from error
        self._names[name] = f"{name}_FILE"


def _ask_local_farm(state_dir: Any, local_farm: LocalFarmVariables) -> tuple[dict[str, Any], str]:
    """Return the settings by which to reach the farm that runs on this machine, and its folder."""
    root = state_dir if isinstance(state_dir, str | Path) and state_dir else Settings().state_dir
    folder = Path(root).expanduser() / LOCAL_FARM
    if not folder.is_dir():
        return {}, ""
    return _Variables(local_farm(folder)).settings(), str(folder)


def _find_files(environment: Mapping[str, str], folder: Path) -> tuple[ConfigFile, ...]:
    """Return the files that may hold settings, the one that counts most first."""
    own, shared = folder / "rushes.toml", folder / "pyproject.toml"
    home = environment.get("XDG_CONFIG_HOME")
    user = (Path(home) / "rushes" if home else user_config_path("rushes")) / "config.toml"
    return (
        ConfigFile("project file", own, own.is_file()),
        ConfigFile("project file", shared, not own.is_file() and _has_table(shared)),
        ConfigFile("user file", user, user.is_file()),
    )


def _has_table(pyproject: Path) -> bool:
    """Say whether a file mentions us at all; a broken one that does not is no concern of ours."""
    try:
        return b"tool.rushes" in pyproject.read_bytes()
    except OSError:
        return False


def _read_file(file: ConfigFile) -> dict[str, Any]:
    """Return a file's settings, with relative folders taken from where it lies.

    Raises: ConfigError.
    """
    try:
        data = tomllib.loads(file.path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file.path}: cannot be read: {error}", path=str(file.path)) from error
    if file.path.name == "pyproject.toml":
        data = data.get("tool", {}).get("rushes", {})
    _refuse_secrets(data, file)
    if file.kind == "project file" and data.get("notify_command"):
        raise ConfigError(
            f"{file.path}: notify_command is not taken from a project's file, which may be a "
            "stranger's; set RUSHES_NOTIFY_COMMAND or write it into your own config.toml",
            path=str(file.path),
            field="notify_command",
        )
    for name in _FOLDERS:
        if name in data:
            data[name] = _beside(file.path.parent, data[name])
    return data


def _refuse_secrets(data: Mapping[str, Any], file: ConfigFile) -> None:
    for name in SECRETS:
        value = data.get(name)
        if value is not None and (name != "broker_url" or hide_password(str(value)) != value):
            variable = _variable((name,))
            raise ConfigError(
                f"{file.path}: {name} is a secret, and files are easily passed on; set {variable}, "
                f"or {variable}_FILE to the file that holds it",
                path=str(file.path),
                field=name,
            )


def _beside(folder: Path, value: Any) -> Any:
    """Return a path, or each of several, as seen from a folder."""
    if isinstance(value, list):
        return [_beside(folder, each) for each in value]
    if not isinstance(value, str) or not value or "://" in value or value.startswith("~"):
        return value
    return str(folder / value)


def _merge(into: dict[str, Any], data: Mapping[str, Any]) -> None:
    """Take over what counts more, table by table."""
    for name, value in data.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value


def _places(data: Mapping[str, Any], above: Place = ()) -> Iterator[Place]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _places(value, (*above, name))
        else:
            yield (*above, name)


def _values(model: BaseModel, above: Place = ()) -> Iterator[tuple[Place, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _values(value, (*above, name))
        else:
            yield (*above, name), value


def _variable(place: Place) -> str:
    return ENVIRONMENT_PREFIX + NESTED_BY.join(place).upper()


def _as_text(place: Place, value: Any) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            separator = os.pathsep if place == ("lora_dir",) else " "
            return separator.join(_as_text(place, each) for each in value)
        case _:
            return str(value)


def _flag(place: Place) -> str:
    name = "-".join(place)
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


def _shown(value: Any) -> Any:
    match value:
        case SecretStr():
            return _masked(value.get_secret_value())
        case Path():
            return str(value)
        case tuple():
            return [_shown(each) for each in value]
        case _:
            return value


def _masked(url: str) -> str:
    """Return what of a secret address may be shown: of a web address only the host."""
    scheme, _, rest = hide_password(url).partition("://")
    if scheme.startswith("http"):
        return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}/***"
    place, has_options, _ = rest.partition("?")  # which may hold a password too
    return f"{scheme}://{place}{'?***' if has_options else ''}"


def _explain(
    error: ValidationError, merged: Mapping[str, Any], origins: Mapping[Place, Origin]
) -> ConfigError:
    """Return one line with every fault, where it comes from, and its value unless it is secret."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lines = []
    for fault in faults:
        place = _known_part(tuple(map(str, fault["loc"])), origins)
        name = ".".join(place)
        origin = origins.get(place, DEFAULT)
        if fault["type"] == "extra_forbidden":
            lines.append(f"{origin}: there is no setting {printable(name)!r}{_nearest(name)}")
            continue
        value = "" if place[0] in SECRETS else f" is {_short(_at(merged, place))}"
        reason = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{origin}: {name}{value}: {reason}")
    first = str(faults[0]["loc"][0])
    return ConfigError("; ".join(lines), field=first)


def _known_part(place: Place, origins: Mapping[Place, Origin]) -> Place:
    """Return the setting in which a fault lies, which may be deeper inside."""
    for length in range(len(place), 0, -1):
        if place[:length] in origins:
            return place[:length]
    return place


def _at(data: Any, place: Place) -> Any:
    for name in place:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _short(value: Any) -> str:
    return shortened(printable(repr(str(value) if isinstance(value, Path) else value)))


def _nearest(name: str) -> str:
    known = [".".join(place) for place, _ in _values(Settings())]
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
