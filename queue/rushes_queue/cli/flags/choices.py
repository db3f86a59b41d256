"""Names that options take and the shell completes, from presets and examples."""

from __future__ import annotations


def complete_examples(incomplete: str) -> list[str]:
    """Return the examples that travel with the package."""
    from rushes.shots.examples import example_names

    return [name for name in example_names() if name.startswith(incomplete)]


def complete_pipelines(incomplete: str) -> list[str]:
    """Return the pipelines that a shipped preset renders."""
    return [name for name in offered_pipelines() if name.startswith(incomplete)]


def complete_presets(incomplete: str) -> list[str]:
    """Return the shipped presets."""
    from rushes.presets.preset import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


def offered_pipelines() -> list[str]:
    """Return the pipelines that a shipped preset renders."""
    from rushes.timeline.pipelines import known_pipelines

    return [each.name for each in known_pipelines().values() if each.is_offered]
