"""What jobs must have in common to be rows of one batch."""

from __future__ import annotations

import json

from rushes_queue.jobs.document import JobDocument

_SAME = (
    *("profile", "variant", "stream_batch", "mode", "width", "height"),
    *("vae_type", "quantization", "loras", "noise_device", "normalise_latents", "context_bias"),
)


def row_kind(document: JobDocument) -> str | None:
    """Return what jobs must agree in; None for one that is rendered alone.

    Model, size, denoising steps, LoRAs, precision and threads are the same; prompts, seeds, lengths
    and inputs may differ. What VACE steers is rendered alone, and what changes the strength of a
    LoRA on the way.
    """
    plan = document.plan
    chunks = plan["chunks"]
    strengths = {json.dumps(chunk.get("lora_scales")) for chunk in chunks}
    if len(strengths) > 1 or any(chunk.get("steering") is not None for chunk in chunks):
        return None
    steps = {tuple(chunk["denoising_steps"]) for chunk in chunks}
    loras = document.lora_names | document.lora_config_names
    common = {
        "preset": document.preset,
        "dtype": document.request.dtype,
        "threads": document.request.threads,
        "plan": {name: plan.get(name) for name in _SAME},
        "steps": sorted(steps),
        "strengths": sorted(strengths),
        "files": sorted((ref.name, ref.sha256) for ref in document.files if ref.name in loras),
    }
    return json.dumps(common, sort_keys=True)
