"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

# Who is started in the background of a shell ignores interrupts, and so would all its children.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _without_local_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the farm that may run on this machine, whose broker would be found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
