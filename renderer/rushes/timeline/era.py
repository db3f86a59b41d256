"""Which era of Scope a timeline file comes from, as far as its fields show."""

from __future__ import annotations

from rushes.timeline.document import Extensions, Timeline

OLD_PROFILE = "scope-2025-10"
_PIPELINE = "streamdiffusionv2"


def is_of_old_scope(timeline: Timeline) -> bool:
    """Say whether a file was exported when every new prompt still reset the caches.

    It is of version 2.0, which later exporters wrote too; those add the input's mode or the keys of
    transitions. Files of this project have neither, but an ``ext``.
    Source: scope @ 729bc2a9, df9a59dd: frontend/src/components/PromptTimeline.tsx
    """
    settings = timeline.settings
    return (
        timeline.kind == "timeline"
        and timeline.version == "2.0"
        and settings.pipeline_id in (None, _PIPELINE)
        and settings.input_mode is None
        and timeline.ext == Extensions()
        and all(
            block.transition_steps is None and block.transition_method is None
            for block in timeline.blocks
        )
    )


def propose_profile(timeline: Timeline, profile: str) -> str | None:
    """Return one line that proposes the profile of an old file, unless another one was chosen."""
    if profile != "scope" or not is_of_old_scope(timeline):
        return None
    return (
        "was exported when each new prompt still reset the caches; --profile "
        f"{OLD_PROFILE} plays it as it was seen, 'rushes reproduce' at its rate and with its noise"
    )
