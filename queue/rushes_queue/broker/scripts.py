"""The Lua scripts: each is one atomic step in the broker, and one round trip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rushes_queue.broker.connection import broker_errors
from rushes_queue.jobs.states import FINISHED, TRANSITIONS, State

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

_FOLDER = files("rushes_queue") / "broker" / "lua"
_SHARED = ("prelude", "losses")  # what comes before every script


class Scripts:
    """Runs the scripts on one broker, under one prefix of keys.

    ``clock_key`` names a key that holds the time in ms, for tests; else the server's clock counts.
    """

    def __init__(self, client: Redis, prefix: str, clock_key: str | None = None) -> None:
        self.prefix = prefix
        self._client = client
        self._keys = [prefix] if clock_key is None else [prefix, clock_key]
        self._scripts: dict[str, Script] = {}

    def run(self, name: str, *args: str | int | float) -> Any:
        """Run a script; the head of its file lists its arguments and answers.

        Raises: BrokerError, BrokerFullError, ConfigError as ``broker_errors`` says.
        """
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(script_text(name))
        with broker_errors(self._client):
            return script(keys=self._keys, args=args)


@cache
def script_text(name: str) -> str:
    """Return a script as it is sent: flags, table of states, shared prelude, the script itself."""
    flags, _, body = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8").partition("\n")
    shared = [(_FOLDER / f"{each}.lua").read_text(encoding="utf-8") for each in _SHARED]
    return "\n".join((flags, _state_tables(), *shared, body))


def _state_tables() -> str:
    moves = ", ".join(f"{event} = {_table(states)}" for event, states in TRANSITIONS.items())
    finished = ", ".join(f"{state} = true" for state in sorted(FINISHED))
    return f"local MOVES = {{ {moves} }}\nlocal FINISHED = {{ {finished} }}"


def _table(states: Mapping[State, State]) -> str:
    pairs = ", ".join(f"{before} = '{after}'" for before, after in states.items())
    return f"{{ {pairs} }}"
