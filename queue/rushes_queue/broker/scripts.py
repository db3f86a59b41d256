"""The Lua scripts: each is one atomic step in the broker, and one round trip."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from rushes.errors import RushesError
from rushes_queue.broker.connection import broker_errors
from rushes_queue.errors import BrokerAnswerError
from rushes_queue.jobs.record import LATEST_MS, stored_kinds
from rushes_queue.jobs.states import FINISHED, TRANSITIONS, State
from rushes_queue.jobs.versions import JOB_VERSION

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FOLDER = files("rushes_queue") / "broker" / "lua"
_SHARED = ("prelude", "soundness", "losses")  # what comes before every script
_KEYS_PER_REPAIR = 500  # takes the broker a few milliseconds
_MS_BETWEEN_REPAIRS = 5000


class Scripts:
    """Runs the scripts on one broker, under one prefix of keys.

    ``clock_key`` names a key that holds the time in ms, for tests; else the server's clock counts.
    """

    def __init__(self, client: Redis, prefix: str, clock_key: str | None = None) -> None:
        self.prefix = prefix
        self._client = client
        self._keys = [prefix] if clock_key is None else [prefix, clock_key]
        self._scripts: dict[str, Script] = {}
        self._is_repairing = False

    def run(self, name: str, *args: str | int | float) -> Any:
        """Run a script; the head of its file lists its arguments and answers.

        Raises: as ``ask``.
        """
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(script_text(name))
        return self.ask(lambda: script(keys=self._keys, args=args))

    def ask(self, call: Callable[[], T]) -> T:
        """Ask the broker; if a key is not what it should be, repair all keys and ask once more.

        Raises: BrokerError, BrokerFullError, ConfigError as ``broker_errors`` says.
        """
        try:
            with broker_errors(self._client):
                return call()
        except BrokerAnswerError:
            if self._is_repairing or not self._repair_all():
                raise
        with broker_errors(self._client):
            return call()

    def repair(self, place: str = "0") -> str:
        """Look at a page of the keys from a place on; return the next place, 0 after the last.

        What cannot be read is set aside with a notice, and jobs come back into their lists.
        Raises: as ``ask``.
        """
        next_place, num_aside = self.run("repair", place, _KEYS_PER_REPAIR)
        if num_aside:
            logger.warning("%s keys of the broker could not be read; see rushes doctor", num_aside)
        return str(next_place)

    def _repair_all(self) -> bool:
        """Repair all keys, unless somebody has just done so; return False when that fails."""
        self._is_repairing = True
        try:
            with broker_errors(self._client):
                key = f"{self.prefix}repairing"
                if not self._client.set(key, "1", nx=True, px=_MS_BETWEEN_REPAIRS):
                    return True
            place = self.repair()
            while place != "0":
                place = self.repair(place)
        except RushesError as error:
            logger.warning("the keys of the broker cannot be repaired: %s", error)
            return False
        finally:
            self._is_repairing = False
        return True


@cache
def script_text(name: str) -> str:
    """Return a script as it is sent: flags, table of states, shared prelude, the script itself."""
    flags, _, body = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8").partition("\n")
    shared = [(_FOLDER / f"{each}.lua").read_text(encoding="utf-8") for each in _SHARED]
    is_writing = f"local IS_WRITING = {str('no-writes' not in flags).lower()}"
    return "\n".join((flags, is_writing, _state_tables(), *shared, body))


def _state_tables() -> str:
    moves = ", ".join(f"{event} = {_table(states)}" for event, states in TRANSITIONS.items())
    finished = ", ".join(f"{state} = true" for state in sorted(FINISHED))
    names = [f"local {kind} = {{ {_quoted(fields)} }}" for kind, fields in stored_kinds().items()]
    limits = f"local LATEST_MS, NEWEST = {LATEST_MS}, {JOB_VERSION}"
    tables = [f"local MOVES = {{ {moves} }}", f"local FINISHED = {{ {finished} }}"]
    return "\n".join([*tables, *names, limits])


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _table(states: Mapping[State, State]) -> str:
    pairs = ", ".join(f"{before} = '{after}'" for before, after in states.items())
    return f"{{ {pairs} }}"
