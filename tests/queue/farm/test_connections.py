"""The ways of one process to the farm."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from farm.commands import Farm
from rushes.errors import ConfigError
from rushes_queue.broker.replies import Bell
from rushes_queue.errors import UnknownJobError
from rushes_queue.farm.connections import FarmLinks
from rushes_queue.settings.model import Settings


def settings(farm: Farm, **more: object) -> Settings:
    values: dict[str, object] = {
        "broker_url": SecretStr(farm.environment["RUSHES_BROKER_URL"]),
        "storage_url": farm.environment["RUSHES_STORAGE_URL"],
    }
    return Settings.model_validate(values | more)


def test_opening_connects_to_nothing(tmp_path: Path) -> None:
    nowhere = Settings(broker_url=SecretStr("redis://127.0.0.1:1"), storage_url=str(tmp_path / "s"))
    links = FarmLinks.open(nowhere)
    assert not (tmp_path / "s").exists()
    links.store.close()


def test_a_storage_that_cannot_be_one_is_refused() -> None:
    wrong = Settings.model_construct(
        **{**Settings().__dict__, "storage_url": "s3://films", "s3_endpoint": "nonsense"}
    )
    with pytest.raises(ConfigError, match="nonsense"):
        FarmLinks.open(wrong)


def test_records_storage_and_bells_have_the_farms_prefix(farm: Farm) -> None:
    links = FarmLinks.open(settings(farm, key_prefix="mine:"))
    assert links.ring([Bell("0123456789abcdef", "tiny.any.high")])
    assert farm.store.client.llen("mine:bell:tiny.any.high") == 1
    assert links.store.prefix == "mine:"
    links.store.close()


def test_nobody_who_asked_is_nobody_told(farm: Farm) -> None:
    links = FarmLinks.open(settings(farm))
    assert links.announce_end(farm.done()) == ()
    with pytest.raises(UnknownJobError):
        links.announce_end("0" * 16)
    links.store.close()


def test_a_job_without_its_document_is_told_of_by_the_settings(farm: Farm) -> None:
    links = FarmLinks.open(settings(farm, notify=["http://127.0.0.1:1/hook"]))
    job = farm.done()
    farm.storage.delete(f"jobs/{job}")
    (fault,) = links.announce_end(job)
    assert "127.0.0.1" in fault
    links.store.close()
