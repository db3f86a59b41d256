"""Names that options take and the shell completes, from presets and examples."""

from __future__ import annotations


def complete_codecs(incomplete: str) -> list[str]:
    """Return the codecs that a result can have."""
    from rushes.video.write.codecs import CODECS

    return [name for name in CODECS if name.startswith(incomplete)]


def complete_examples(incomplete: str) -> list[str]:
    """Return the examples that travel with the package."""
    from rushes.shots.examples import example_names

    return [name for name in example_names() if name.startswith(incomplete)]


def complete_models(incomplete: str) -> list[str]:
    """Return what can be downloaded: presets with public weights, and entries of the catalogue."""
    from rushes.presets.catalogue import load_catalogue
    from rushes.presets.preset import load_preset, preset_names

    presets = [name for name in preset_names() if not load_preset(name).brings_weights]
    return [name for name in (*presets, *load_catalogue()) if name.startswith(incomplete)]


def complete_profiles(incomplete: str) -> list[str]:
    """Return the profiles of rules."""
    from rushes.timeline.plan.profiles import PROFILES

    return [name for name in PROFILES if name.startswith(incomplete)]


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
