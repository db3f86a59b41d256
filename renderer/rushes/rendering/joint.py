"""Renders that come and go, each a row of the passes of one network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

from torch import Tensor

from rushes.errors import ConfigError
from rushes.models.adapters.adapted_layers import AdaptedLayers
from rushes.models.dit import CausalDit
from rushes.presets.kinds import GraphsChoice
from rushes.rendering.loop import Report
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.prompt_cache import PromptCache
from rushes.rendering.render import render
from rushes.rendering.request import RenderRequest
from rushes.rendering.work import KeptWork, Work
from rushes.rows.row_batch import RowBatch, RowNetwork, keeps_bits
from rushes.stream.ahead import ChunkInputs
from rushes.stream.stage_clock import StageClock
from rushes.stream.stream import Stream
from rushes.timeline.plan.render_plan import Chunk, RenderPlan


class JointRenders:
    """Renders of one kind by one pipeline; call ``render`` for each, in a thread of its own.

    They have a size, steps and LoRAs in common. Each begins when the others begin a chunk, and
    leaves after its last one, or when it fails: the others go on. ``most`` is how many at once fit
    into the memory.
    """

    def __init__(self, pipeline: Pipeline, layers: AdaptedLayers, most: int) -> None:
        self._pipeline, self._layers, self.most = pipeline, layers, most
        self._batch = RowBatch(pipeline.models.dit)
        self._encoding = Lock()

    def render(
        self,
        plan: RenderPlan,
        request: RenderRequest,
        *,
        force: bool = False,
        report: Report = lambda progress: None,
        work: Work | KeptWork | None = None,
    ) -> dict[str, Any]:
        """Render as ``render.render``; the manifest says how many rows its passes had at most.

        In float32 on a CPU the result is that of a render alone, else it is within rounding.
        Raises: as ``render.render``; ConfigError when LoRA strengths change on the way.
        """
        refuse_changing_strengths(plan)
        with self._batch.late_row() as network:
            values = {each.name: getattr(self._pipeline, each.name) for each in fields(Pipeline)}
            values["models"] = replace(self._pipeline.models, dit=cast("CausalDit", network))
            values["adapted_layers"] = self._layers
            pipeline = RowPipeline(**values, network=network, encoding=self._encoding)
            return render(pipeline, plan, request, force=force, report=report, work=work)


@contextmanager
def open_joint(
    pipeline: Pipeline, plan: RenderPlan, folder: Path, most: int
) -> Iterator[JointRenders]:
    """Make a pipeline ready for renders like this plan, whose LoRAs lie beside ``folder``.

    Raises: as ``Pipeline.for_plan`` and ``with_loras``.
    """
    pipeline = pipeline.for_plan(plan, folder)
    with pipeline.with_loras() as layers:
        yield JointRenders(pipeline, layers, most)


def refuse_changing_strengths(plan: RenderPlan) -> None:
    """Refuse what rows of one batch cannot do.

    Raises: ConfigError.
    """
    if not has_constant_strengths(plan):
        raise ConfigError(
            "LoRA strengths of this timeline change on the way, which rows of one batch cannot "
            "follow; leave --rows out"
        )


def has_constant_strengths(plan: RenderPlan) -> bool:
    """Say whether the LoRAs of a plan stay as strong as they are from begin to end."""
    return len({chunk.lora_scales for chunk in plan.chunks}) <= 1


@dataclass(frozen=True)
class RowPipeline(Pipeline):
    """A pipeline whose network is shared with other renders."""

    network: RowNetwork | None = None
    encoding: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def most_rows(self) -> int:
        return 1 if self.network is None else self.network.most_rows

    @property
    def rounds_in_rows(self) -> bool:
        return not keeps_bits(self.models.device, self.models.dtype)

    def prompt_embeddings(self, texts: Iterable[str]) -> PromptCache:
        with self.encoding:  # one text encoder at a time
            return super().prompt_embeddings(texts)

    def open_stream(
        self,
        plan: RenderPlan,
        clock: StageClock | None = None,
        adapted_layers: AdaptedLayers | None = None,
        graphs: GraphsChoice = "off",
    ) -> Stream:
        assert self.network is not None
        stream = super().open_stream(plan, clock, adapted_layers, graphs)
        return cast("Stream", _RowStream(stream, self.network))


class _RowStream:
    """A stream that says when it begins a chunk, and when it needs its network no more."""

    def __init__(self, stream: Stream, network: RowNetwork) -> None:
        self._stream, self._network = stream, network

    def render(self, chunks: Iterable[tuple[Chunk, ChunkInputs]]) -> Iterator[Tensor]:
        yield from self._stream.render(self._announced(chunks))
        self._network.leave()

    def _announced(
        self, chunks: Iterable[tuple[Chunk, ChunkInputs]]
    ) -> Iterator[tuple[Chunk, ChunkInputs]]:
        for each in chunks:
            self._network.begin_chunk()
            yield each

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
