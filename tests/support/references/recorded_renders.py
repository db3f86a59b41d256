"""Recorded renders: one folder a run of the reference, timeline and clip in, frames out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from references.cases import GOLDEN_DIR
from renders.shots import Frames
from rushes.presets.preset import Preset, load_preset, preset_names

KIND = "timeline"


@dataclass(frozen=True)
class RecordedRender:
    """One folder: ``case.json``, the timeline, the clip if there is one, and the frames."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "case.json").read_text(encoding="utf-8")))

    @property
    def timeline(self) -> Path:
        return self.folder / "timeline.json"

    @property
    def clip(self) -> Path | None:
        path = self.folder / "input.mkv"
        return path if path.exists() else None

    @property
    def models_dir(self) -> Path:
        return self.folder.parent / "weights" / str(self.facts["weights"])

    @cached_property
    def frames(self) -> Frames:
        """The frames kept, from frame ``frames_from`` on: [N, H, W, 3]."""
        return np.asarray(load_file(self.folder / "frames.safetensors")["frames"])

    def preset(self) -> Preset:
        """The preset of this pipeline with the sizes and the files of the recording.

        A pipeline is offered as soon as a shipped preset has its id; until then this skips.
        """
        wanted = self.facts["pipeline"]
        presets = [load_preset(name) for name in preset_names()]
        found = next((preset for preset in presets if preset.pipeline_id == wanted), None)
        if found is None:
            pytest.skip(f"pipeline {wanted} is not offered yet")
        return Preset.model_validate(found.model_dump(exclude_unset=True) | self._facts(found))

    def _facts(self, preset: Preset) -> dict[str, Any]:
        """What the case says of its networks, in the words of a preset."""
        settings, dit = self.facts["pipeline_config"], self.facts["dit"]
        vae, text = self.facts["vae"], self.facts["text_encoder"]
        files = self.facts["weight_files"]
        chunk = {
            "latent_frames": settings["num_frame_per_block"],
            "window": settings["local_attn_size"],
            "sinks": settings["sink_size"],
        }
        return {
            "random_weights_seed": None,
            "weights_folder": None,
            "largest_side": None,
            "chunk": preset.chunk.model_dump() | chunk,
            "memory": preset.memory.model_dump() | self._memory(settings),
            "schedule": preset.schedule.model_dump()
            | {"shift": settings["timestep_shift"], "noise": "torch-cpu"},
            "dit": {name: dit[name] for name in type(preset.dit).model_fields if name in dit},
            "vae": {
                "dim": vae["dim"],
                "num_res_blocks": vae["num_res_blocks"],
                "normalise_encoded": settings["normalise_encoder_latents"],
            },
            "text_encoder": {
                "vocab_size": text["vocab_size"],
                "dim": text["dim"],
                "ffn_dim": text["dim_ffn"],
                "num_heads": text["num_heads"],
                "head_dim": text["dim_attn"] // text["num_heads"],
                "num_layers": text["num_layers"],
            },
            "weights": {
                "dit": [files["generator"]],
                **{part: [files[part]] for part in ("vae", "text_encoder", "tokenizer")},
                "lora": [files["lora"]] if "lora" in files else [],
            },
        }

    def _memory(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What the case says of the cache beside window and sinks."""
        names = {
            "keeps_sinks": "global_sink",
            "bank_frames": "bank_size",
            "sink_kept": "compression_alpha",
            "context_frames": "kv_cache_num_frames",
            "context_bias": "kv_cache_attention_bias",
        }
        said = {ours: settings[theirs] for ours, theirs in names.items() if settings.get(theirs)}
        # Without an interval the bank stays empty, as scope runs it.
        return said | {"record_every": settings.get("record_interval")}


def recorded_renders() -> list[Any]:
    """Return every recorded render as a pytest parameter; a skipped one if there is none."""
    folder = GOLDEN_DIR / KIND
    found = sorted(path.parent for path in folder.glob("*/case.json"))
    if not found:
        reason = f"no recorded renders below {KIND} of GOLDEN_DIR"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(RecordedRender(path), id=path.name) for path in found]
