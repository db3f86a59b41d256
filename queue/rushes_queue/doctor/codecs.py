"""Which codecs really encode here, in software and on the GPU."""

from __future__ import annotations

from collections.abc import Iterator

from rushes.errors import ConfigError
from rushes_queue.doctor.finding import Check, Finding, fault, ok, warning
from rushes_queue.settings.loaded import LoadedSettings

_NEEDED = "h264"  # what a result is by default


def check_software(_: LoadedSettings) -> Iterator[Finding]:
    """Encode a frame with each codec that a result can have."""
    import av

    from rushes.video.write.codecs import CODECS, try_codec

    yield ok("pyav", f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}")
    for name in CODECS:
        try:
            library = try_codec(name)
        except ConfigError as error:
            complain = fault if name == _NEEDED else warning
            yield complain(name, str(error), "reinstall PyAV from its own wheel: pip install av")
        else:
            yield ok(name, f"{library} encodes")


def check_hardware(_: LoadedSettings) -> Iterator[Finding]:
    """Open NVENC: FFmpeg lists it on machines without a GPU too."""
    from rushes.video.write.codecs import HARDWARE_CODECS, try_codec

    working = []
    for name in HARDWARE_CODECS:
        try:
            working.append(try_codec(name, hardware=True))
        except ConfigError:
            continue
    if working:
        yield ok("nvenc", f"{', '.join(working)} encode")
    else:
        yield ok("nvenc", "does not work here; only --hardware-encoder needs it")


CHECKS: tuple[Check, ...] = (check_software, check_hardware)
