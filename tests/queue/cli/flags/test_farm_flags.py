"""Where the farm is: the flags of a command, else the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from farm.servers import RunningServer
from rushes.errors import ConfigError
from rushes_queue.cli.flags.farm_flags import FarmFlags


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUSHES_BROKER_URL", "redis://by-variable:6379/0")
    monkeypatch.setenv("RUSHES_STORAGE_URL", str(tmp_path / "by variable"))
    monkeypatch.setenv("RUSHES_KEY_PREFIX", "mine:")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_flags_count_more_than_variables(tmp_path: Path) -> None:
    by_flag = FarmFlags("redis://by-flag", str(tmp_path / "by flag")).settings()
    assert by_flag.broker_url.get_secret_value() == "redis://by-flag"
    assert by_flag.storage_url == str(tmp_path / "by flag")
    by_variable = FarmFlags().settings()
    assert by_variable.broker_url.get_secret_value() == "redis://by-variable:6379/0"
    assert by_variable.storage_url == str(tmp_path / "by variable")


def test_records_are_those_of_the_prefix(redis_server: RunningServer, redis_client: Redis) -> None:
    store = FarmFlags(redis_server.url).open_store()
    try:
        assert store.prefix == "mine:"
        assert store.list() == ()
    finally:
        store.close()


def test_a_storage_is_opened_without_being_touched(tmp_path: Path) -> None:
    storage = FarmFlags(storage=str(tmp_path / "new")).open_storage()
    assert storage.url == str(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "flags", [FarmFlags(broker="http://x"), FarmFlags(storage="ftp://x")], ids=str
)
def test_what_cannot_be_a_farm_is_refused(flags: FarmFlags) -> None:
    with pytest.raises(ConfigError):
        (flags.open_store if flags.broker else flags.open_storage)()
