"""``workers``, ``stats`` and ``models``: who renders, how much, and with what."""

from __future__ import annotations

from fastapi import APIRouter, Request

import rushes
from rushes.presets.catalogue import is_installed, load_catalogue
from rushes.presets.preset import load_preset, preset_names
from rushes_queue.client.json_forms import to_json
from rushes_queue.jobs.public_json import SCHEMA_VERSION
from rushes_queue.web.api.answers import Answer
from rushes_queue.web.api.services import WithServices
from rushes_queue.web.safety.guard import USER

router = APIRouter(tags=["farm"])


@router.get("/workers")
def workers(services: WithServices) -> Answer:
    """List the workers that were heard of lately, and what they do."""
    listed = list(map(to_json, services.backend.workers()))
    return Answer(services, {"schema_version": SCHEMA_VERSION, "workers": listed})


@router.get("/stats")
def stats(services: WithServices) -> Answer:
    """Count jobs, queues and workers, and what got done within the last hour."""
    counted = to_json(services.backend.stats())
    return Answer(services, {"schema_version": SCHEMA_VERSION} | counted)


@router.get("/models")
def models(services: WithServices) -> Answer:
    """List the catalogue of public weights, and what is here of it."""
    folder = services.folders.models
    entries = {
        name: entry.model_dump(mode="json") | {"state": entry.state(folder)}
        for name, entry in load_catalogue().items()
    }
    return Answer(services, {"schema_version": SCHEMA_VERSION, "entries": entries})


@router.get("/about")
def about(services: WithServices, request: Request) -> Answer:
    """Tell what this server is: its version, whether it has a farm, its presets, and who asks."""
    presets = {}
    for name in preset_names():
        preset = load_preset(name)
        is_here = preset.brings_weights or is_installed(preset, services.folders.models)
        presets[name] = {"is_here": is_here, "licence": preset.licence.model_dump(mode="json")}
    answer = {
        "schema_version": SCHEMA_VERSION,
        "version": rushes.__version__,
        "mode": services.mode,
        "user": request.scope.get(USER),
        "most_upload_bytes": services.most_upload,
        "presets": presets,
    }
    return Answer(services, answer)
