"""What we use of Celery and kombu beyond their documents, in the versions that are installed.

The classes in ``doorbell/`` override methods and read attributes that a new version may rename.
Each is listed here with its parameters and with the code of the library that uses it; where a
version changes one, the test says which, and which module of ours depends on it.
"""

from __future__ import annotations

import ast
import base64
import importlib
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from types import CodeType, ModuleType
from typing import Any

import pytest
from celery.app.defaults import NAMESPACES
from celery.worker import state
from celery.worker.state import maybe_shutdown
from kombu.connection import Connection
from kombu.transport import redis
from pydantic import SecretStr
from redis import Redis

from checkout import ROOT
from farm.servers import RunningServer
from rushes_queue.broker.replies import Bell
from rushes_queue.doorbell import app as doorbell_app
from rushes_queue.doorbell import serve, tasks, transport
from rushes_queue.doorbell.app import celery_settings, make_app
from rushes_queue.doorbell.bells import BELLS, RENDER_TASK, make_message, ring
from rushes_queue.settings.model import Settings

LIBRARIES = ("celery", "kombu", "billiard", "vine", "amqp")
OUR_MODULES: tuple[ModuleType, ...] = (doorbell_app, serve, tasks, transport)


@dataclass(frozen=True)
class Part:
    """A part of a library: where it is, its parameters, and the code that uses it."""

    place: str  # module:attribute
    parameters: tuple[str, ...] | None = None  # by name; None for what is not called
    used_by: str = ""  # module:function, in whose code the name occurs
    ours: str = "tasks.py"  # the module that depends on it

    def __str__(self) -> str:
        return self.place

    @property
    def name(self) -> str:
        return self.place.rpartition(".")[2].rpartition(":")[2]

    def broken(self, change: str) -> str:
        library = self.place.partition(".")[0]
        return (
            f"{library} {version(library)} has changed {self.place}: {change}; "
            f"adapt queue/rushes_queue/doorbell/{self.ours}, then this list"
        )


PARTS = (
    Part(
        "kombu.transport.redis:Channel._brpop_read",
        ("self", "options"),
        "kombu.transport.redis:Channel.__init__",
        "transport.py",
    ),
    Part(
        "kombu.transport.redis:Transport._deliver",
        ("self", "message", "queue"),
        "kombu.transport.redis:Channel._brpop_read",
        "transport.py",
    ),
    Part(
        "kombu.transport.redis:Transport.Channel",
        used_by="kombu.transport.virtual.base:Transport.create_channel",
        ours="transport.py",
    ),
    Part(
        "celery.concurrency.asynpool:AsynPool._event_process_exit",
        ("self", "hub", "proc"),
        "celery.concurrency.asynpool:AsynPool._track_child_process",
    ),
    Part("billiard.process:BaseProcess.join", ("self", "timeout")),
    Part(
        "celery.concurrency.prefork:TaskPool.Pool",
        used_by="celery.concurrency.prefork:TaskPool.on_start",
    ),
    Part(
        "celery.apps.worker:Worker.install_platform_tweaks",
        ("self", "worker"),
        "celery.apps.worker:Worker.on_start",
    ),
    Part(
        "celery.worker.consumer:Consumer.on_unknown_message",
        ("self", "body", "message"),
        "celery.worker.consumer:Consumer.create_task_handler",
    ),
    Part(
        "celery.worker.consumer:Consumer.on_unknown_task",
        ("self", "body", "message", "exc"),
        "celery.worker.consumer:Consumer.create_task_handler",
    ),
    Part(
        "celery.worker.consumer:Consumer.on_invalid_task",
        ("self", "body", "message", "exc"),
        "celery.worker.consumer:Consumer.create_task_handler",
    ),
    Part(
        "celery.worker.consumer:Consumer.on_decode_error",
        ("self", "message", "exc"),
        "celery.worker.consumer:Consumer.create_task_handler",
    ),
    Part("kombu.message:Message.ack_log_error", ("self", "logger", "errors", "multiple")),
    Part("kombu.message:Message.ack", ("self", "multiple")),
    Part(
        "celery.worker.state:should_stop",
        used_by="celery.worker.state:maybe_shutdown",
        ours="serve.py",
    ),
    Part("celery.apps.worker:Worker.start", ("self",), ours="serve.py"),
    Part("celery.apps.worker:Worker.exitcode", ours="serve.py"),
    Part(
        "kombu.transport.virtual.base:Message.__init__",
        ("self", "payload", "channel", "kwargs"),
        ours="bells.py",
    ),
)

# What ``serve`` hands to Celery's worker by name, and who takes it.
WORKER_ARGUMENTS = {
    "app": "celery.worker:WorkController.__init__",
    "hostname": "celery.worker:WorkController.__init__",
    "queues": "celery.worker:WorkController.setup_instance",
    "pool": "celery.worker:WorkController.setup_defaults",
    "consumer_cls": "celery.worker:WorkController.setup_defaults",
    "loglevel": "celery.worker:WorkController.setup_defaults",
    "quiet": "celery.apps.worker:Worker.on_before_init",
    "without_gossip": "celery.worker.consumer.gossip:Gossip.__init__",
    "without_mingle": "celery.worker.consumer.mingle:Mingle.__init__",
}


def find(place: str) -> Any:
    """Return what a place names.

    Raises: AttributeError.
    """
    module, _, path = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def names_in(code: CodeType) -> Iterator[str]:
    """Yield every name that some code uses, also in functions inside it."""
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_part_is_as_we_use_it(part: Part) -> None:
    try:
        found = find(part.place)
    except AttributeError:
        pytest.fail(part.broken("it is gone"))
    if part.parameters is not None:
        parameters = tuple(inspect.signature(found).parameters)
        assert parameters == part.parameters, part.broken(
            f"its parameters are {parameters}, no longer {part.parameters}"
        )
    if part.used_by:
        is_used = part.name in names_in(find(part.used_by).__code__)
        assert is_used, part.broken(f"{part.used_by} does not use it any more")


@pytest.mark.parametrize(("name", "place"), WORKER_ARGUMENTS.items())
def test_the_worker_takes_the_arguments_that_we_give(name: str, place: str) -> None:
    part = Part(place, ours="serve.py")
    try:
        parameters = inspect.signature(find(place)).parameters
    except AttributeError:
        pytest.fail(part.broken("it is gone"))
    assert name in parameters, part.broken(f"it has no argument {name} any more")


def test_all_arguments_of_the_worker_are_listed() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(serve)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "QuietWorker"
    ]
    assert [{keyword.arg for keyword in call.keywords} for call in calls] == [set(WORKER_ARGUMENTS)]


def test_every_override_is_listed() -> None:
    """A class of ours that overrides one more name of a library makes this fail."""
    listed = {part.name for part in PARTS}
    missing = {}
    for module in OUR_MODULES:
        for ours in vars(module).values():
            if not inspect.isclass(ours) or ours.__module__ != module.__name__:
                continue
            bases = [base for base in ours.__mro__ if base.__module__.split(".")[0] in LIBRARIES]
            for name in vars(ours):
                is_special = name.startswith("__")
                if any(name in vars(base) for base in bases) and not is_special | (name in listed):
                    missing[f"{ours.__name__}.{name}"] = module.__name__
    assert missing == {}


def test_the_consumer_knows_the_errors_of_its_connection() -> None:
    place = "celery.worker.consumer:Consumer.__init__"
    is_set = "connection_errors" in names_in(find(place).__code__)
    assert is_set, Part(place).broken("it does not set connection_errors any more")


def test_should_stop_is_asked_for_even_when_it_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero is the exit code of a worker that was told to end."""
    from celery.exceptions import WorkerShutdown

    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(WorkerShutdown) as caught:
        maybe_shutdown()
    assert caught.value.code == 0


def test_signals_carry_what_we_read() -> None:
    for signal in ("worker_ready", "task_failure"):
        find(f"celery.signals:{signal}")
    part = Part("celery.signals:task_failure", ours="serve.py")
    assert "exception" in find(part.place).providing_args, part.broken("it carries no exception")


def test_every_setting_is_one_that_celery_has() -> None:
    """A setting that Celery does not know is ignored without a word."""
    known = set()
    for name, option in NAMESPACES.items():
        known |= {f"{name}_{key}" for key in option} if isinstance(option, dict) else {name}
    assert set(celery_settings(Settings())) - known == set()
    assert "broker_transport" in known


def test_every_transport_option_is_one_that_the_transport_reads() -> None:
    options = celery_settings(Settings())["broker_transport_options"]
    assert set(options) - set(redis.Channel.from_transport_options) == set()


def kombu_reads(raw: dict[str, Any]) -> Any:
    """Return the message that kombu makes of an envelope in Redis."""
    connect: Any = Connection  # both are untyped
    make: Any = redis.Channel.Message
    return make(raw, channel=connect("memory://").channel())


def test_a_message_of_ours_has_what_kombu_and_celery_read() -> None:
    raw = json.loads(make_message(Bell("job-1", "tiny.any.normal")))
    transport._check_body(raw)
    message = kombu_reads(raw)
    assert message.decode() == [[], {"job_id": "job-1", "schema": 1}, {}]
    assert message.headers["task"] == RENDER_TASK
    assert message.delivery_tag == raw["properties"]["delivery_tag"]
    assert message.delivery_info == {"exchange": "", "routing_key": "tiny.any.normal"}


def test_a_message_of_ours_lies_where_kombu_puts_its_own(
    redis_server: RunningServer, redis_client: Redis
) -> None:
    """A worker of the version before rings by kombu; the sweep counts messages in this list."""
    settings = Settings(broker_url=SecretStr(redis_server.url), key_prefix="ours:")
    with make_app(settings).producer_pool.acquire(block=True) as producer:
        headers = {"lang": "py", "task": RENDER_TASK, "id": "0"}
        producer.publish([[], {}, {}], routing_key="tiny.any.low", headers=headers)
    assert ring(redis_client, "ours:", [Bell("job-1", "tiny.any.low")])
    ours, kombus = map(json.loads, redis_client.lrange(f"ours:{BELLS}tiny.any.low", 0, -1))
    assert set(ours) == set(kombus) - {"content-encoding"}
    assert set(ours["properties"]) < set(kombus["properties"])
    assert set(ours["headers"]) == set(kombus["headers"])
    transport._check_body(kombus)
    assert kombu_reads(kombus).decode() == [[], {}, {}]


@pytest.mark.parametrize("broken", ["[]", "{}", "[[], {}, {}, 1]", "[1, 2, 3]"])
def test_a_body_that_celery_cannot_read_is_refused(broken: str) -> None:
    raw = json.loads(make_message(Bell("job-1", "tiny.any.normal")))
    with pytest.raises(ValueError, match="args, kwargs, embed"):
        transport._check_body({**raw, "body": broken})
    encoded = {**raw["properties"], "body_encoding": "base64"}
    body = base64.b64encode(broken.encode())
    with pytest.raises(ValueError, match="args, kwargs, embed"):
        transport._check_body({**raw, "properties": encoded, "body": body})


def test_celery_and_kombu_are_imported_only_by_the_doorbell() -> None:
    strays = []
    for root in ("queue", "renderer"):
        for file in sorted((ROOT / root).rglob("*.py")):
            if "doorbell" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module or ""]
                strays += [
                    f"{file.relative_to(ROOT)} imports {name}"
                    for name in names
                    if name.partition(".")[0] in LIBRARIES
                ]
    assert strays == []
