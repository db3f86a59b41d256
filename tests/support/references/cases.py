"""Golden cases: one recorded run of a public implementation a file, found by walking a folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from checkout import ROOT

GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR", ROOT.parent / "shared" / "golden"))


@dataclass
class Case:
    """One file: tensors by name, and what its header says."""

    path: Path

    @cached_property
    def header(self) -> dict[str, str]:
        with safe_open(self.path, "pt") as file:
            return dict(file.metadata())

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        return load_file(self.path)

    @cached_property
    def config(self) -> dict[str, Any]:
        return dict(json.loads(self.header["config"]))

    @cached_property
    def calls(self) -> list[dict[str, Any]]:
        return list(json.loads(self.header["calls"]))

    @cached_property
    def tolerance(self) -> dict[str, Any]:
        return dict(json.loads(self.header["tolerance"]))

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """The recorded weights below ``prefix``, under their checkpoint names."""
        start = f"weights.{prefix}"
        return {
            name.removeprefix(start): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(start)
        }

    def get(self, name: str) -> Tensor | None:
        return self.tensors.get(name)

    def numbered(self, prefix: str) -> list[Tensor]:
        """The tensors ``prefix.0``, ``prefix.1``, ... as far as they go."""
        found: list[Tensor] = []
        while (tensor := self.tensors.get(f"{prefix}.{len(found)}")) is not None:
            found.append(tensor)
        return found

    def outputs(self, call: int) -> dict[str, Tensor]:
        """The recorded outputs of one call, by their names after the number."""
        return self.outputs_of(str(call))

    def outputs_of(self, part: str) -> dict[str, Tensor]:
        """The recorded outputs below a name, by what follows it."""
        start = f"outputs.{part}."
        return {
            name.removeprefix(start): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(start)
        }

    def assert_close(
        self, actual: Tensor, expected: Tensor, what: str, limits: dict[str, Any] | None = None
    ) -> None:
        """Compare within the file's tolerance (its bfloat16 entry for bfloat16 outputs)."""
        limits = limits or self.tolerance
        if expected.dtype is torch.bfloat16:
            limits = limits.get("bfloat16", limits)
        assert actual.shape == expected.shape, f"{what}: {actual.shape} != {expected.shape}"
        if not expected.is_floating_point():
            assert torch.equal(actual.to(expected.dtype), expected), what
            return
        torch.testing.assert_close(
            actual.double(),
            expected.double(),
            atol=limits["atol"],
            rtol=limits["rtol"],
            msg=lambda message: f"{self.path.name} {what}: {message}",
        )
        if "rms_rel" in limits:
            error = (actual.double() - expected.double()).square().mean().sqrt()
            assert error <= limits["rms_rel"] * expected.double().std(), what


def cases_of(kind: str) -> list[Any]:
    """Return every case of a kind as a pytest parameter; one skipped parameter if there is none."""
    folder = GOLDEN_DIR / kind
    files = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else []
    if not files:
        reason = f"no golden cases of kind {kind} below GOLDEN_DIR"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(Case(file), id=file.stem) for file in files]


def network_cases(variant: str) -> list[Any]:
    cases = cases_of("causal_dit")
    return [c for c in cases if c.values[0] is None or c.values[0].config.get("variant") == variant]


def upstream_cases(*, is_pipe: bool) -> list[Any]:
    """Runs of the research system on one GPU, or spread over several."""
    return [
        case
        for case in cases_of("pipeline")
        if case.values[0] is None
        or (
            case.values[0].header["source"].startswith("sdv2:")
            and (case.values[0].config["mode"] == "pipe") is is_pipe
        )
    ]


def assert_output(case: Case, actual: Tensor, expected: Tensor, name: str, what: str) -> None:
    if name == "frames_u8":
        difference = (actual.int() - expected.int()).abs().max().item()
        assert difference <= case.tolerance["u8_max_diff"], what
    elif name == "frames":
        limits = {"atol": case.tolerance["frames_atol"], "rtol": 0}
        case.assert_close(actual, expected, what, limits)
    else:
        case.assert_close(actual, expected, what)
