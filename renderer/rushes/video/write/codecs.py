"""The codecs that a result can be encoded with, and how each one's encoder is set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.codec import Codec as Library
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext

from rushes.errors import ConfigError
from rushes.video.write.priority import kept_priority


@dataclass(frozen=True)
class Encoder:
    """One of FFmpeg's encoders, set for a result."""

    library: str  # FFmpeg's name for it
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None  # the name of the format in MP4 and QuickTime files


# For results that are not movies: each frame is a PNG picture, as it will be in a PNG result.
# Measured on 512x512: a higher level takes several times as long and saves 8 percent.
LOSSLESS = Encoder("png", "rgb24", {"compression_level": "1"})


@dataclass(frozen=True)
class _Codec:
    encoder: Encoder
    extensions: tuple[str, ...]
    crf: int | None = None  # visually lossless at the default
    max_crf: int = 0
    hardware: str | None = None


_CODECS = {
    "h264": _Codec(
        # Without it one encoding in a hundred had different bytes (seen with AVX-512).
        Encoder("libx264", options={"x264-params": "cpu-independent=1"}),
        (".mp4", ".mkv", ".mov"),
        crf=18,
        max_crf=51,
        hardware="h264_nvenc",
    ),
    "h265": _Codec(
        # Apple's players take H.265 under this tag only.
        Encoder("libx265", options={"x265-params": "log-level=error"}, tag="hvc1"),
        (".mp4", ".mkv", ".mov"),
        crf=20,
        max_crf=51,
        hardware="hevc_nvenc",
    ),
    "vp9": _Codec(
        Encoder("libvpx-vp9", options={"deadline": "good", "cpu-used": "4", "row-mt": "1"}),
        (".webm", ".mkv", ".mp4"),
        crf=24,
        max_crf=63,
    ),
    "av1": _Codec(
        Encoder("libsvtav1", options={"preset": "8"}),
        (".mp4", ".mkv", ".webm"),
        crf=24,
        max_crf=63,
        hardware="av1_nvenc",
    ),
    "prores": _Codec(
        # Profile 3 is ProRes 422 HQ; some editors refuse files of another vendor than Apple's.
        Encoder("prores_ks", "yuv422p10le", {"profile": "3", "vendor": "apl0"}),
        (".mov", ".mkv"),
    ),
}
CODECS = tuple(_CODECS)
HARDWARE_CODECS = tuple(name for name, codec in _CODECS.items() if codec.hardware)
_DEFAULTS = {".mp4": "h264", ".mkv": "h264", ".mov": "prores", ".webm": "vp9"}
_MAX_NVENC_CRF = 51
_TRIAL_SIZE = 256  # above every NVENC generation's smallest picture


def available_codecs() -> list[str]:
    """Name the codecs that this build of FFmpeg can encode."""
    return [name for name, codec in _CODECS.items() if _is_built_in(codec.encoder.library)]


def choose_encoder(extension: str, codec: str | None, crf: int | None, hardware: bool) -> Encoder:
    """Return the encoder for a file name's extension and what the user asked for.

    Raises: ConfigError when the codec is unknown, not in this build or not for this container, when
        it takes no such crf, or when there is no hardware encoder that works.
    """
    name = codec or _DEFAULTS[extension]
    chosen = _CODECS.get(name)
    if chosen is None or not _is_built_in(chosen.encoder.library):
        raise ConfigError(
            f"codec {name!r} is not available; use one of {', '.join(available_codecs())}",
            field="codec",
        )
    if extension not in chosen.extensions:
        raise ConfigError(
            f"{extension} files do not hold {name}; name the result "
            f"{' or '.join(chosen.extensions)}, or choose another codec",
            field="codec",
        )
    crf = _checked_crf(name, chosen, crf)
    if hardware:
        return _hardware_encoder(name, chosen, crf)
    options = dict(chosen.encoder.options)
    if crf is not None:
        options["crf"] = str(crf)
    return _with_options(chosen.encoder, chosen.encoder.library, options)


def try_codec(name: str, *, hardware: bool = False) -> str:
    """Encode one frame with a codec as a result would, and name FFmpeg's encoder for it.

    Raises: ConfigError when it does not work here.
    """
    encoder = choose_encoder(_CODECS[name].extensions[0], name, None, hardware)
    try:
        _encode_one_frame(encoder)
    except (av.FFmpegError, OSError) as error:
        raise ConfigError(
            f"{encoder.library} does not work here: {error}", field="codec"
        ) from error
    return encoder.library


def _checked_crf(name: str, codec: _Codec, crf: int | None) -> int | None:
    if crf is None or codec.crf is None:
        if crf is not None:
            raise ConfigError(f"crf is {crf}, but {name} takes none; leave it out", field="crf")
        return codec.crf
    if not 0 <= crf <= codec.max_crf:
        raise ConfigError(
            f"crf is {crf}; {name} takes 0 (best) to {codec.max_crf}, {codec.crf} by default",
            field="crf",
        )
    return crf


def _hardware_encoder(name: str, codec: _Codec, crf: int | None) -> Encoder:
    advice = "; render without hardware encoding, or on a machine with an NVENC-capable GPU"
    if codec.hardware is None or crf is None:
        names = ", ".join(HARDWARE_CODECS)
        raise ConfigError(f"no hardware encodes {name}; use one of {names}", field="hardware")
    if not _is_built_in(codec.hardware):
        raise ConfigError(f"this build has no {codec.hardware}{advice}", field="hardware")
    options = {"rc": "vbr", "cq": str(min(crf, _MAX_NVENC_CRF))}
    encoder = _with_options(codec.encoder, codec.hardware, options)
    try:
        _encode_one_frame(encoder)
    except (av.FFmpegError, OSError) as error:
        raise ConfigError(
            f"{codec.hardware} does not work here ({error.strerror}){advice}", field="hardware"
        ) from error
    return encoder


def _with_options(encoder: Encoder, library: str, options: Mapping[str, str]) -> Encoder:
    return Encoder(library, encoder.pixel_format, options, encoder.tag)


def _is_built_in(library: str) -> bool:
    try:
        return Library(library, "w").is_encoder
    except UnknownCodecError:
        return False


def _encode_one_frame(encoder: Encoder) -> None:
    """Find out whether an encoder that is built in finds its device and driver."""
    context = av.CodecContext.create(encoder.library, "w")
    assert isinstance(context, VideoCodecContext)
    context.width = context.height = _TRIAL_SIZE
    context.pix_fmt = encoder.pixel_format
    context.time_base = Fraction(1, 25)
    context.options = dict(encoder.options)
    with kept_priority():
        context.open()
    context.encode(av.VideoFrame(_TRIAL_SIZE, _TRIAL_SIZE, encoder.pixel_format))
    context.encode(None)
