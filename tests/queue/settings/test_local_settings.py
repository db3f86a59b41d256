"""Settings that one process hands to another as variables."""

from __future__ import annotations

import os
from pathlib import Path

from rushes_queue.local.machine_settings import read_settings
from rushes_queue.settings.loaded import to_variables


def test_settings_survive_as_variables(tmp_path: Path) -> None:
    """Also those that are lists, secrets, sizes or tables."""
    variables = {
        "RUSHES_BROKER_URL": "rediss://user:p%40ss@host:6380/2",
        "RUSHES_STORAGE_URL": "s3://bucket/farm",
        "RUSHES_S3_ENDPOINT": "http://storage:8333",
        "RUSHES_LORA_DIR": os.pathsep.join(["/a b", "/c"]),
        "RUSHES_NOTIFY": "https://one.example/x https://two.example",
        "RUSHES_ALLOW_INPUT_URLS": "true",
        "RUSHES_LEASE_SECONDS": "7.5",
        "RUSHES_LIMITS__MAX_INPUT_BYTES": "3 GiB",
        "RUSHES_RETRIES__MAX_LOSSES": "9",
    }
    first = read_settings(environment=variables, folder=tmp_path).settings
    handed_over = to_variables(first)
    assert read_settings(environment=handed_over, folder=tmp_path / "elsewhere").settings == first
    assert handed_over["RUSHES_LIMITS__MAX_INPUT_BYTES"] == str(3 * 2**30)


def test_relative_folders_do_not_depend_on_where_the_other_process_is(tmp_path: Path) -> None:
    first = read_settings(environment={"RUSHES_STORAGE_URL": "here"}, folder=tmp_path).settings
    assert Path(to_variables(first)["RUSHES_STORAGE_URL"]) == Path.cwd() / "here"
