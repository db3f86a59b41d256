"""Where a URL of a storage leads, and which texts are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import ConfigError
from rushes_queue.storage.url import BucketPlace, FolderPlace, parse_storage_url


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("/srv/rushes", "/srv/rushes"),
        ("a b", "a b"),
        ("file:///srv/rushes", "/srv/rushes"),
        ("file://localhost/srv", "/srv"),
        ("file:///srv/two%20words", "/srv/two words"),
        ("a:b", "a:b"),
    ],
)
def test_a_folder(url: str, folder: str) -> None:
    assert parse_storage_url(url) == FolderPlace(Path.cwd() / folder)


def test_a_tilde_is_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert parse_storage_url("~/farm") == FolderPlace(Path("/home/ann/farm"))
    with pytest.raises(ConfigError, match="~nobody-of-this-name"):
        parse_storage_url("~nobody-of-this-name/farm")


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://films", "films", ""),
        ("s3://films/", "films", ""),
        ("s3://films//a/b/", "films", "a/b"),
        ("s3://my.films-1/of ann", "my.films-1", "of ann"),
        (f"s3://abc/{'p' * 150}/{'p' * 149}", "abc", f"{'p' * 150}/{'p' * 149}"),
    ],
)
def test_a_bucket_and_its_prefix(url: str, bucket: str, prefix: str) -> None:
    assert parse_storage_url(url) == BucketPlace(bucket, prefix)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "is empty or cannot be printed"),
        ("  ", "is empty or cannot be printed"),
        ("a\nb", "is empty or cannot be printed"),
        ("s3:films", "is not a storage URL"),
        ("s3a:films", "is not a storage URL"),
        ("file:/srv", "is not a storage URL"),
        ("file://host/srv", "names a host"),
        ("file://", "is not a URL of a folder"),
        ("file:///srv?a=1", "is not a URL of a folder"),
        ("file:///srv#1", "is not a URL of a folder"),
        ("ftp://host/a", "storage of kind 'ftp' is not known"),
        ("s3://", "'' is not a name of a bucket"),
        ("s3://ab", "'ab' is not a name of a bucket"),
        ("s3://Films", "'Films' is not a name of a bucket"),
        ("s3://films-/a", "'films-' is not a name of a bucket"),
        ("s3://films/a/../b", "has a part that starts with a dot"),
        (f"s3://abc/{'p' * 150}/{'p' * 150}", "longer than 300 bytes"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(url: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as caught:
        parse_storage_url(url)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("url", ["s3://ann:secret@films/a", "http://ann:secret@host/a"])
def test_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY") as caught:
        parse_storage_url(url)
    assert "secret@" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_an_at_sign_further_on_is_part_of_the_name() -> None:
    assert parse_storage_url("s3://films/a@b") == BucketPlace("films", "a@b")
