"""Takes of one timeline rendered together: the network sees each as a row of one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, cast

from rushes.models.dit import CausalDit
from rushes.rendering.joint import refuse_changing_strengths
from rushes.rendering.loop import Progress, StopRender
from rushes.rendering.machine_kind import computing_threads
from rushes.rendering.pipeline import Pipeline
from rushes.rendering.render import check, render
from rushes.rendering.request import RenderRequest
from rushes.rendering.work import KeptWork
from rushes.rows.row_batch import RowBatch, RowNetwork
from rushes.rows.shared_encoder import SharedEncoder
from rushes.timeline.plan.render_plan import RenderPlan


@dataclass(frozen=True)
class Take:
    """A plan with its request; ``timeline_sha256`` is the hash of a timeline without a file."""

    plan: RenderPlan
    request: RenderRequest
    timeline_sha256: str | None = None


class _Rows:
    """The threads of some takes; when one fails, or the caller is interrupted, all end."""

    def __init__(self, report: Callable[[Progress], None]) -> None:
        self._report = report
        self._must_end = False

    def run(self, renders: Sequence[Callable[[Callable[[Progress], None]], Any]]) -> list[Any]:
        with ThreadPoolExecutor(len(renders), "row") as threads:
            results = [threads.submit(each, self._reports(n)) for n, each in enumerate(renders)]
            try:
                wait(results, return_when=FIRST_EXCEPTION)
            finally:
                self._must_end = True
        return _values(results)

    def _reports(self, number: int) -> Callable[[Progress], None]:
        def report(progress: Progress) -> None:
            if self._must_end:
                raise StopRender("another take ended", save=False)
            if number == 0:  # all are at the same chunk
                self._report(progress)

        return report


def render_takes(
    pipeline: Pipeline,
    takes: Sequence[Take],
    *,
    force: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    warnings: tuple[str, ...] = (),
    work: KeptWork | None = None,
) -> list[dict[str, Any]]:
    """Render takes that differ in their seeds only; return the manifest of each, in order.

    They share each pass of the network, the encoder's work and the keys of prompts. In float32 on
    a CPU each is what it is alone; elsewhere a sum over more rows is rounded differently, and a
    frame may differ by a level. The manifest says how many rows there were. ``report`` is called
    as for the first take. All files appear when all takes are done but their own. ``work`` is for a
    take that is alone; of several nothing is saved.

    Raises: as ``render``; ConfigError where LoRA strengths change on the way.
    """
    plan = takes[0].plan
    for take in takes:
        check(take.plan, take.request, force=force)
    if len(takes) == 1:
        return [_render(pipeline, takes[0], force, report, warnings, work)]
    refuse_changing_strengths(plan)
    pipeline = pipeline.for_plan(plan, takes[0].request.timeline.parent)
    pipeline.prompt_embeddings(plan.prompt_texts)  # once, before the rows ask for them
    batch, encoder = RowBatch(pipeline.models.dit), SharedEncoder(pipeline.models.vae)
    threads = computing_threads(takes[0].request.threads, pipeline.models.device)
    with threads, ExitStack() as stack:
        layers = stack.enter_context(pipeline.with_loras())

        def one(take: Take, row: ExitStack, network: RowNetwork) -> Callable[..., dict[str, Any]]:
            shared = replace(
                pipeline,
                models=replace(pipeline.models, dit=cast("CausalDit", network), vae=encoder),
                autoencoders=dict.fromkeys(pipeline.autoencoders, encoder),
                adapted_layers=layers,
                rows=len(takes),
            )

            def run(report: Callable[[Progress], None]) -> dict[str, Any]:
                with row:
                    return _render(shared, take, force, report, warnings)

            return run

        renders = []
        for take in takes:
            row = stack.enter_context(ExitStack())
            renders.append(one(take, row, row.enter_context(batch.row())))
        return _Rows(report).run(renders)


def _render(
    pipeline: Pipeline,
    take: Take,
    force: bool,
    report: Callable[[Progress], None],
    warnings: tuple[str, ...],
    work: KeptWork | None = None,
) -> dict[str, Any]:
    return render(
        *(pipeline, take.plan, take.request),
        force=force,
        report=report,
        warnings=warnings,
        work=work,
        timeline_sha256=take.timeline_sha256,
    )


def _values(results: Sequence[Future[Any]]) -> list[Any]:
    """Return what the threads returned, or raise what ended the others."""
    errors = [error for result in results if (error := result.exception()) is not None]
    for error in errors:
        if not isinstance(error, StopRender):
            raise error
    return [result.result() for result in results]
