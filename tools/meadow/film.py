"""Film: light becomes display values, frames become an H.264 clip."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from paint import Array
from scene import SIZE, SUPERSAMPLING

FPS = 16
CRF = 24


def develop(canvas: Array) -> NDArray[np.uint8]:
    """Map light to display values on a film-like curve, then average the samples of each pixel.

    Shapes:
        canvas: [SIZE * SUPERSAMPLING, SIZE * SUPERSAMPLING, 3]
        returns: [SIZE, SIZE, 3]
    Source: the curve is the fit of K. Narkowicz to the ACES reference rendering (2015)
    """
    exposed = np.maximum(canvas, 0) * np.float32(0.95)
    curve = exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14)
    display = np.clip(curve, 0, 1) ** np.float32(1 / 2.2)
    pixels = display.reshape(SIZE, SUPERSAMPLING, SIZE, SUPERSAMPLING, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(pixels * 255), np.uint8)


def encode(frames: Iterable[NDArray[np.uint8]], path: Path) -> None:
    """Write H.264, its matrix and tags BT.709, with the index in front."""
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        stream.options = {"crf": str(CRF), "preset": "veryslow", "threads": "1"}
        context = stream.codec_context
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        for pixels in frames:
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
