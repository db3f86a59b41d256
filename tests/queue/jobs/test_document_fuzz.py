"""Job documents that a stranger wrote: read, or refused in one line, whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.documents import document
from rushes_queue.errors import DocumentError, NewerDocumentError
from rushes_queue.jobs.document import JobDocument
from rushes_queue.jobs.versions import JOB_VERSION

VALID = json.loads(document().to_bytes())

_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
) | st.sampled_from(["../../etc/passwd", "a/b", "\x1b[2J", "\ud800", "http://x", 10**400, "0" * 64])
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def read(data: bytes) -> JobDocument | None:
    """Read a document; None if it was refused as it should be."""
    try:
        return JobDocument.from_bytes(data)
    except (DocumentError, NewerDocumentError) as error:
        message = str(error)
        assert len(message.splitlines()) == 1
        assert message.isprintable()
        return None


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to everything in a document."""
    found = [path] if path else []
    if isinstance(data, dict):
        children = list(data.items())
    else:
        children = list(enumerate(data)) if isinstance(data, list) else []
    for key, value in children:
        found += places(value, (*path, key))
    return found


PLACES = places(VALID)


def changed(path: tuple[Any, ...], value: Any, *, is_removed: bool) -> bytes:
    data = json.loads(json.dumps(VALID))
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if is_removed:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(data).encode("utf-8", "surrogatepass")


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert read(data) is None


@given(_values)
def test_any_json(value: Any) -> None:
    assert read(json.dumps(value).encode("utf-8", "surrogatepass")) is None


@settings(deadline=None)
@given(st.sampled_from(PLACES), _values, st.booleans())
def test_a_document_in_which_one_value_is_another(
    path: tuple[Any, ...], value: Any, is_removed: bool
) -> None:
    found = read(changed(path, value, is_removed=is_removed))
    if found is not None:  # then it is one that could be rendered
        found.render_plan()
        assert JobDocument.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


def test_a_valid_document_is_read() -> None:
    found = read(json.dumps(VALID).encode())
    assert found is not None
    assert found.to_bytes() == document().to_bytes()


@pytest.mark.parametrize("version", [JOB_VERSION + 1, 10**6])
def test_a_document_of_a_newer_version_says_so(version: int) -> None:
    with pytest.raises(NewerDocumentError, match="update"):
        JobDocument.from_bytes(json.dumps(VALID | {"schema_version": version}).encode())
