"""A URL decides which kind of storage is opened, and opening touches nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rushes.errors import ConfigError
from rushes_queue.storage.bucket import BucketStorage
from rushes_queue.storage.folder import FolderStorage
from rushes_queue.storage.open import open_storage


def test_a_path_opens_a_folder_that_need_not_be_there(tmp_path: Path) -> None:
    storage = open_storage(f"file://{tmp_path}/not there")
    assert isinstance(storage, FolderStorage)
    assert storage.url == f"{tmp_path}/not there"
    assert not list(tmp_path.iterdir())


def test_an_s3_url_opens_a_bucket_without_asking_it() -> None:
    storage = open_storage("s3://films/of ann", s3_endpoint="http://127.0.0.1:1")
    assert isinstance(storage, BucketStorage)
    assert storage.url == "s3://films/of ann"


def test_an_endpoint_is_checked_when_it_is_opened() -> None:
    with pytest.raises(ConfigError, match=r"'127\.0\.0\.1:9000' is not an address"):
        open_storage("s3://films", s3_endpoint="127.0.0.1:9000")


def test_a_folder_needs_no_library_for_buckets() -> None:
    code = (
        "import sys; from rushes_queue.storage.open import open_storage; open_storage('/srv'); "
        "sys.exit('boto3' in sys.modules)"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0
