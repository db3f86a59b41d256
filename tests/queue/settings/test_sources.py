"""Where settings come from: which source counts, what files may not hold, what errors show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rushes.errors import ConfigError
from rushes_queue.settings.loaded import LoadedSettings
from rushes_queue.settings.sources import read_settings

SECRET = "hunter2"


class Place:
    """A project's folder and a user's, each with files of settings."""

    def __init__(self, folder: Path) -> None:
        self.project, home = folder / "project", folder / "home"
        self.own = self.project / "rushes.toml"
        self.pyproject = self.project / "pyproject.toml"
        self.user = home / "rushes" / "config.toml"
        self.project.mkdir()
        self.user.parent.mkdir(parents=True)
        self.variables = {"XDG_CONFIG_HOME": str(home)}

    def read(
        self,
        flags: Mapping[str, Any] | None = None,
        farm: dict[str, str] | None = None,
        **more: str,
    ) -> LoadedSettings:
        local_farm = None if farm is None else lambda folder: farm
        return read_settings(flags, self.variables | more, self.project, local_farm)

    def error(self, **more: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            self.read(**more)
        return str(caught.value)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_sources_count_in_their_order(place: Place) -> None:
    """Each step takes the source away that counted most until then."""
    place.user.write_text('key_prefix = "user:"')
    place.pyproject.write_text('[tool.rushes]\nkey_prefix = "pyproject:"')
    place.own.write_text('key_prefix = "own:"')
    steps: list[tuple[Callable[[], LoadedSettings], str]] = [
        (lambda: place.read({"key_prefix": "flag:"}, RUSHES_KEY_PREFIX="variable:"), "flag:"),
        (lambda: place.read({"key_prefix": None}, RUSHES_KEY_PREFIX="variable:"), "variable:"),
        (lambda: place.read(RUSHES_KEY_PREFIX=""), "own:"),
    ]
    for read, expected in steps:
        assert read().settings.key_prefix == expected
    assert str(place.read().origin("key_prefix")) == f"project file {place.own}"
    place.own.unlink()
    assert place.read().settings.key_prefix == "pyproject:"
    assert str(place.read().origin("key_prefix")) == f"project file {place.pyproject}"
    place.pyproject.unlink()
    assert place.read().settings.key_prefix == "user:"
    assert str(place.read().origin("key_prefix")) == f"user file {place.user}"
    place.user.unlink()
    assert place.read().settings.key_prefix == "rushes:"
    assert str(place.read().origin("key_prefix")) == "default"


def test_tables_are_merged_value_by_value(place: Place) -> None:
    place.user.write_text("[retries]\nmax_losses = 1\nmax_failures = 1\nfirst_delay_seconds = 1")
    place.own.write_text("[retries]\nmax_losses = 2\nmax_failures = 2")
    loaded = place.read(RUSHES_RETRIES__MAX_LOSSES="3")
    retries = loaded.settings.retries
    assert (retries.max_losses, retries.max_failures, retries.first_delay_seconds) == (3, 2, 1)
    assert loaded.origin("retries.max_losses").name == "RUSHES_RETRIES__MAX_LOSSES"
    assert loaded.origin("retries.max_failures").name == str(place.own)
    assert loaded.origin("retries.first_delay_seconds").name == str(place.user)
    assert loaded.origin("retries.max_infrastructure_failures").kind == "default"


def test_a_table_in_one_variable_names_that_variable(place: Place) -> None:
    loaded = place.read(RUSHES_RETRIES='{"max_losses": 7}')
    assert loaded.settings.retries.max_losses == 7
    assert loaded.origin("retries.max_losses").name == "RUSHES_RETRIES"


def test_files_are_listed_in_the_order_in_which_they_count(place: Place) -> None:
    place.own.write_text("")
    place.pyproject.write_text("[tool.rushes]")
    files = place.read().files
    assert [file.path for file in files] == [place.own, place.pyproject, place.user]
    assert [file.is_used for file in files] == [True, False, False]


def test_a_pyproject_without_our_table_is_not_read(place: Place) -> None:
    place.pyproject.write_text("this is not TOML")
    assert not any(file.is_used for file in place.read().files)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key_prefix = ", "cannot be read"),
        ("key_prefix = 'a b'", "key_prefix is 'a b'"),
        ("lease_secnds = 3", "there is no setting 'lease_secnds'; did you mean 'lease_seconds'?"),
        ("[limits]\nmax_pixel = 3", "there is no setting 'limits.max_pixel'"),
        ("[limits]\nmax_pixels = -3", "limits.max_pixels is -3"),
    ],
    ids=["not TOML", "wrong value", "unknown", "unknown in a table", "wrong in a table"],
)
def test_a_fault_names_the_file(place: Place, text: str, message: str) -> None:
    place.own.write_text(text)
    error = place.error()
    assert str(place.own) in error
    assert message in error


def test_our_table_must_be_a_table(place: Place) -> None:
    place.pyproject.write_text("tool.rushes = 3")
    assert place.error() == f"{place.pyproject}: tool.rushes must be a table"


def test_all_faults_are_told_at_once_each_with_its_source(place: Place) -> None:
    place.own.write_text("lease_seconds = 0")
    error = place.error(RUSHES_RETRIES__MAX_LOSSES="0", RUSHES_LIMITS="[1]")
    assert f"project file {place.own}: lease_seconds is 0" in error
    assert "environment RUSHES_RETRIES__MAX_LOSSES: retries.max_losses is '0'" in error
    assert "environment RUSHES_LIMITS: limits is [1]" in error


def test_a_table_that_is_not_json_names_the_variable(place: Place) -> None:
    assert "RUSHES_LIMITS: is not a JSON object" in place.error(RUSHES_LIMITS="{")


@pytest.mark.parametrize("file", ["own", "pyproject", "user"])
@pytest.mark.parametrize(
    "setting",
    [
        f'broker_url = "redis://:{SECRET}@host:6379/0"',
        f'notify = ["https://hooks.example/{SECRET}"]',
    ],
    ids=["broker with a password", "web address"],
)
def test_files_may_not_hold_secrets(place: Place, file: str, setting: str) -> None:
    path: Path = getattr(place, file)
    path.write_text(f"[tool.rushes]\n{setting}" if file == "pyproject" else setting)
    error = place.error()
    variable = "RUSHES_" + setting.partition(" ")[0].upper()
    assert str(path) in error
    assert f"set {variable}, or {variable}_FILE" in error
    assert SECRET not in error


def test_a_broker_without_a_password_may_stand_in_a_file(place: Place) -> None:
    place.own.write_text('broker_url = "redis://host:6379/3"')
    assert place.read().settings.broker_url.get_secret_value() == "redis://host:6379/3"


def test_a_secret_is_read_from_the_file_that_a_variable_names(place: Place) -> None:
    file = place.project / "secret"
    file.write_text(f"redis://:{SECRET}@host:6379/0\n")
    loaded = place.read(RUSHES_BROKER_URL_FILE=str(file))
    assert loaded.settings.broker_url.get_secret_value() == f"redis://:{SECRET}@host:6379/0"
    assert loaded.origin("broker_url").name == "RUSHES_BROKER_URL_FILE"
    both = place.error(RUSHES_BROKER_URL_FILE=str(file), RUSHES_BROKER_URL="redis://host")
    assert both == "RUSHES_BROKER_URL and RUSHES_BROKER_URL_FILE are both set; unset one"
    missing = place.error(RUSHES_NOTIFY_FILE="/nowhere/at-all")
    assert missing.startswith("RUSHES_NOTIFY_FILE: /nowhere/at-all cannot be read")


def test_redis_url_stands_in_for_the_broker_only_where_ours_is_not_set(place: Place) -> None:
    loaded = place.read(REDIS_URL="redis://other")
    assert loaded.origin("broker_url").name == "REDIS_URL"
    loaded = place.read(REDIS_URL="redis://other", RUSHES_BROKER_URL="redis://own")
    assert loaded.settings.broker_url.get_secret_value() == "redis://own"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RUSHES_BROKER_URL", f"http://ann:{SECRET}@host"),
        ("RUSHES_NOTIFY", f"ftp://ann:{SECRET}@host/{SECRET}"),
        ("RUSHES_STORAGE_URL", f"s3://ann:{SECRET}@bucket/x"),
        ("RUSHES_STORAGE_URL", f"ftp://ann:{SECRET}@host/x"),
        ("RUSHES_STORAGE_URL", f"file://ann:{SECRET}@host/x"),
        ("RUSHES_S3_ENDPOINT", f"https://ann:{SECRET}@host"),
        ("RUSHES_S3_ENDPOINT", f"ftp://ann:{SECRET}@host"),
    ],
    ids=lambda text: text.replace(SECRET, "..."),
)
def test_passwords_in_addresses_are_never_printed(place: Place, variable: str, value: str) -> None:
    error = place.error(**{variable: value})
    assert variable in error
    assert SECRET not in error
    setting = variable.removeprefix("RUSHES_").lower()
    with pytest.raises(ConfigError) as caught:
        place.read({setting: (value,) if setting == "notify" else value})
    assert SECRET not in str(caught.value)


def test_what_is_shown_masks_secrets(place: Place) -> None:
    shown = place.read(
        RUSHES_BROKER_URL=f"rediss://ann:{SECRET}@host:6380/1?ssl_password={SECRET}",
        RUSHES_NOTIFY=f"https://ann:{SECRET}@one.example/{SECRET} https://two.example?{SECRET}",
    ).shown()
    assert SECRET not in json.dumps(shown)
    assert shown["broker_url"] == "rediss://***@host:6380/1?***"
    assert shown["notify"] == ["https://***@one.example/***", "https://two.example/***"]


def test_relative_folders_are_taken_from_where_the_file_lies(place: Place) -> None:
    place.user.write_text(
        'models_dir = "models"\nlora_dir = ["a", "/b"]\nstorage_url = "s3://b-b/x"'
    )
    settings = place.read().settings
    assert settings.models_dir == place.user.parent / "models"
    assert settings.lora_dir == (place.user.parent / "a", Path("/b"))
    assert settings.storage_url == "s3://b-b/x"


def test_variables_that_are_not_settings_are_named(place: Place) -> None:
    loaded = place.read(RUSHES_LEASE_SECNDS="3", RUSHES_LEASE_SECONDS="3", RUSHES_RETRIES="{}")
    assert loaded.unknown_variables == ("RUSHES_LEASE_SECNDS",)


def test_a_local_farm_counts_less_than_files_and_only_without_a_broker(place: Place) -> None:
    place.own.write_text(f'state_dir = "{place.project}"\nlease_seconds = 9')
    (place.project / "farm").mkdir()
    farm = {
        "RUSHES_BROKER_URL": f"unix://:{SECRET}@/run/x",
        "RUSHES_LEASE_SECONDS": "8",
        "RUSHES_STORAGE_URL": "/farm",
    }
    loaded = place.read(farm=farm)
    assert loaded.settings.storage_url == "/farm"
    assert loaded.settings.lease_seconds == 9
    assert str(loaded.origin("broker_url")) == f"local farm {place.project / 'farm'}"
    elsewhere = place.read(farm=farm, RUSHES_BROKER_URL="redis://host")
    assert elsewhere.settings.storage_url != "/farm"
    assert elsewhere.origin("storage_url").kind == "default"
