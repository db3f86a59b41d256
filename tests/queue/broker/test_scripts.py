"""The Lua scripts as they are sent, and run."""

from __future__ import annotations

from importlib.resources import files

import pytest
from redis import Redis

from farm.servers import free_port
from rushes_queue.broker.connection import connect
from rushes_queue.broker.scripts import Scripts, script_text
from rushes_queue.errors import BrokerError
from rushes_queue.jobs.states import TRANSITIONS, State

NAMES = sorted(
    file.name.removesuffix(".lua")
    for file in (files("rushes_queue") / "broker" / "lua").iterdir()
    if file.name.endswith(".lua")
)
SHARED = {"prelude", "soundness", "losses"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHARED])
def test_every_script_is_one_that_the_server_takes(name: str, redis_client: Redis) -> None:
    text = script_text(name)
    assert text.startswith("#!lua")
    assert redis_client.script_load(text)


def test_the_scripts_have_the_table_of_states_that_python_has(redis_client: Redis) -> None:
    text = script_text("claim")
    tables = text[text.index("local MOVES") :].partition("\n")[0]
    for event, moves in TRANSITIONS.items():
        for before, after in moves.items():
            found = redis_client.eval(f"{tables}\nreturn MOVES['{event}']['{before}']", 0)
            assert found == after
    absent = redis_client.eval(f"{tables}\nreturn MOVES['claim']['{State.DONE}']", 0)
    assert absent is None


def test_a_script_that_the_server_forgot_is_sent_again(redis_client: Redis) -> None:
    scripts = Scripts(redis_client, "rushes:")
    first = scripts.run("census", 0)
    redis_client.script_flush()
    assert scripts.run("census", 0)[:5] == first[:5]


def test_a_prefix_keeps_farms_apart(redis_client: Redis) -> None:
    redis_client.set("clock", 1_000)
    for prefix in ("a:", "b:"):
        assert '"now_ms":1000' in Scripts(redis_client, prefix, "clock").run("census", 0)
    redis_client.set("clock", 2_000)
    assert '"now_ms":2000' in Scripts(redis_client, "a:", "clock").run("census", 0)


def test_a_broker_that_is_away_is_told() -> None:
    with connect(f"redis://127.0.0.1:{free_port()}") as client:
        with pytest.raises(BrokerError, match="cannot be reached"):
            Scripts(client, "rushes:").run("census", 0)
