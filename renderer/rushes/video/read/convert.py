"""Turn decoded frames into upright 8-bit RGB pictures of the size that the model takes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from rushes.video.read.colour import Colour, assumed_matrix
from rushes.video.read.fit import Fit

Picture = NDArray[np.uint8]
DisplayMatrix = tuple[int, int, int, int]  # see `display_matrix`

# libswscale's SWS_BILINEAR, with SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND | SWS_BITEXACT (PyAV 17 does
# not name them yet): without these colours are up to three levels off and differ by processor.
EXACT = 0x2 | 0x2000 | 0x40000 | 0x80000
# By whether there is transparency, and whether colours are converted, which takes 16 bits; swscale
# makes wrong colours of rgb48le with these flags (FFmpeg 8.0).
_FORMATS = {
    (False, False): "rgb24",
    (True, False): "rgba",
    (False, True): "gbrp16le",
    (True, True): "gbrap16le",
}
_FULL = 65535
_DEEP_WHITE = 65283  # what swscale makes of white, measured; 8 bits and YUV are only shifted


def to_rgb(
    frame: av.VideoFrame,
    reformatter: VideoReformatter,
    matrix: DisplayMatrix,
    colour: Colour | None = None,
) -> Picture:
    """Convert a decoded frame of any pixel format to upright RGB, transparent parts to black.

    The reformatter keeps its tables from frame to frame. The matrix is that of the video, not read
    from each frame: PyAV frames that were asked for side data wait for the garbage collector.

    Shapes:
        returns: [H, W, 3], turned as the display matrix says
    """
    has_alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
    picture = reformatter.reformat(
        frame,
        format=_FORMATS[has_alpha, colour is not None],
        src_colorspace=_with_known_matrix(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=EXACT,
        threads=1,
    ).to_ndarray()
    shown = picture[..., :3]
    if colour is not None:
        is_deep_rgb = frame.format.is_rgb and max(part.bits for part in frame.format.components) > 8
        white = _FULL if is_deep_rgb else _DEEP_WHITE
        from rushes.video.read.tone_mapping import to_bt709  # late, as torch below

        shown = to_bt709(shown.astype(np.uint16, copy=False), colour, white)
    if has_alpha:
        alpha = picture[..., 3:] // (1 if colour is None else _FULL // 255)
        shown = (shown.astype(np.uint16) * alpha.astype(np.uint16) + 127) // 255
    return _upright(shown.astype(np.uint8, copy=False), matrix)


def _with_known_matrix(frame: av.VideoFrame) -> int | None:
    """Return the matrix to assume; the frame's own tag is reset, as the scaler may refuse it."""
    matrix = assumed_matrix(frame)
    if matrix is not None:
        frame.colorspace = matrix
    return matrix


def display_matrix(frame: av.VideoFrame) -> DisplayMatrix:
    """Return (a, b, c, d) of x' = ax + cy, y' = bx + dy: how the picture is turned or mirrored.

    Each is -1, 0 or 1: other angles become the nearest quarter turn.
    """
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV lists no side data at all beside a kind it does not know, as EXIF
        a, b = [(1, 0), (0, 1), (-1, 0), (0, -1)][round(-frame.rotation / 90) % 4]
        return a, b, -b, a
    if not isinstance(data, SideData):
        return 1, 0, 0, 1
    m = np.frombuffer(bytes(data), np.int32)
    a, b, c, d = int(m[0]), int(m[1]), int(m[3]), int(m[4])
    if abs(a) >= abs(b):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def _upright(picture: Picture, matrix: DisplayMatrix) -> Picture:
    a, b, c, d = matrix
    if b:
        picture = picture.swapaxes(0, 1)
    return picture[:: b + d, :: a + c]


def fit_picture(
    picture: Picture, height: int, width: int, fit: Fit, pixel_aspect: Fraction = Fraction(1)
) -> Picture:
    """Bring a picture to a size: stretched, cut to fill it, or whole with black bars.

    `pixel_aspect` is the width of a pixel over its height as shown; stretching ignores it.

    Shapes:
        picture: [H_in, W_in, 3]
        returns: [H, W, 3]
    Source: sdv2: streamv2v/inference_common.py (antialiased bilinear resize of uint8, stretched)
    """
    if fit == "stretch":
        return _resize(picture, height, width)
    shown_height, shown_width = picture.shape[0], picture.shape[1] * pixel_aspect
    scales = height / Fraction(shown_height), width / shown_width
    scale = max(scales) if fit == "crop" else min(scales)
    scaled_height, scaled_width = round(shown_height * scale), round(shown_width * scale)
    resized = _resize(picture, max(1, scaled_height), max(1, scaled_width))
    if fit == "crop":
        top, left = (scaled_height - height) // 2, (scaled_width - width) // 2
        return resized[top : top + height, left : left + width]
    padded = np.zeros((height, width, 3), np.uint8)
    top, left = (height - resized.shape[0]) // 2, (width - resized.shape[1]) // 2
    padded[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return padded


def _resize(picture: Picture, height: int, width: int) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    # Late: looking at a video, as ``rushes plan`` does, needs no torch, whose import takes seconds.
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)  # [3, H_in, W_in]
    resized = interpolate(pixels[None], size=(height, width), mode="bilinear", antialias=True)
    array: Picture = resized[0].permute(1, 2, 0).numpy()  # [H, W, 3]
    return array
