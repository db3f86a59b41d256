"""Workers, counts, models; and that no verb of the command line was forgotten."""

from __future__ import annotations

import json

from farm.commands import Farm
from rushes_queue.broker.live_workers import WorkerInfo
from rushes_queue.cli.command_table import CommandTable
from web.serving import Serving

# Verbs without an address, and why.
NOT_SERVED = {
    **dict.fromkeys(("up", "down", "ps", "worker", "web"), "processes of one machine"),
    **dict.fromkeys(("metrics", "flower"), "servers of their own"),
    **dict.fromkeys(("prune", "reconcile"), "for whoever looks after the farm"),
    **dict.fromkeys(("doctor", "config", "bench"), "about one machine"),
    **dict.fromkeys(("render", "reproduce", "examples", "beats"), "works on files of one machine"),
}


def test_every_verb_has_its_address_or_a_reason(web: Serving) -> None:
    paths = web.json("openapi.json")["paths"]
    served = {path.removeprefix("/api/v1/").partition("/")[0] for path in paths}
    assert set(CommandTable()) - served == set(NOT_SERVED)


def test_the_description_names_what_requests_hold(web: Serving) -> None:
    described = web.json("openapi.json")
    assert described["info"]["title"] == "Rushes"
    assert "takes" in described["components"]["schemas"]["SubmitRequest"]["properties"]
    assert not [path for path in described["paths"] if not path.startswith("/api/v1/")]


def test_workers_and_stats_are_those_of_the_commands(farm: Farm, web: Serving) -> None:
    info = WorkerInfo(name="w", host="h", pid=1, version="1", max_schema=2, started_ms=1)
    farm.store.workers.heartbeat(info, ttl_ms=60_000)
    farm.done()
    assert web.json("workers") == farm.json("workers")
    assert len(web.json("workers")["workers"]) == 1
    assert web.json("stats") == farm.json("stats")


def test_models_are_those_of_the_command_without_its_folder(farm: Farm, web: Serving) -> None:
    printed = json.loads(farm.run("models", "list", "--json").stdout)
    del printed["models_dir"]
    assert web.json("models") == printed


def test_about_says_what_there_is(web: Serving) -> None:
    about = web.json("about")
    assert about["mode"] == "farm"
    assert about["presets"]["pocket"]["is_here"]
    assert about["most_upload_bytes"] == 2**20


def test_an_address_that_is_not_there_is_an_error_in_the_same_form(web: Serving) -> None:
    assert web.get("nothing").status_code == 404
    assert web.get("nothing").json()["errors"][0]["exit_code"] == 4
