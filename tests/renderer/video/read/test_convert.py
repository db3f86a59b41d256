"""Frames of every format become upright RGB pictures of the right colours and size."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from renders.clips import (
    HEIGHT,
    LOSSLESS,
    WIDTH,
    Frames,
    open_reader,
    write_clip,
    write_raw,
)
from rushes.video.read.probe import probe_video

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(size: int = 16) -> Frames:
    """Return a picture: red and green above blue and white."""
    colours = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)
    return colours.repeat(size // 2, axis=0).repeat(size, axis=1)


def corners(picture: Frames) -> list[list[int]]:
    height, width = picture.shape[:2]
    return [
        (picture[y, x].astype(int) > 128).tolist()
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ((90, False), np.rot90(quarters(), 1)),
        ((180, False), np.rot90(quarters(), 2)),
        ((-90, False), np.rot90(quarters(), 3)),
        ((0, True), quarters()[:, ::-1]),
        ((90, True), np.rot90(quarters(), 1)[:, ::-1]),
    ],
    ids=["left", "upside down", "right", "mirrored", "left and mirrored"],
)
def test_turned_and_mirrored_clips_are_shown_upright(
    rotation: tuple[int, bool], expected: Frames, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", quarters()[None], rotation=rotation)
    info = probe_video(clip)
    with open_reader(clip, height=info.height, width=info.width) as reader:
        picture = reader.read(0, 1)[0]
    assert picture.shape == expected.shape
    assert corners(picture) == corners(expected)


def test_a_photograph_is_shown_as_its_exif_says(tmp_path: Path) -> None:
    picture = Image.fromarray(quarters(64))
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: turn right
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    with open_reader(tmp_path / "photo.jpg", height=128, width=64) as reader:
        assert corners(reader.read(0, 1)[0]) == corners(np.rot90(quarters(64), 3))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("clip.png", "png", "rgba"),
        ("clip.mov", "qtrle", "argb"),
        ("clip.mov", "prores_ks", "yuva444p10le"),
        ("clip.webm", "libvpx-vp9", "yuva420p"),
        ("clip.webm", "libvpx", "yuva420p"),
    ],
)
def test_transparent_parts_become_black(
    name: str, codec: str, pixel_format: str, tmp_path: Path
) -> None:
    pixels = np.zeros((1, 32, 96, 4), np.uint8)
    pixels[..., 1], pixels[..., 3] = 200, np.repeat([0, 128, 255], 32)
    muxer = "image2" if name.endswith("png") else None
    options = {"lossless": "1"} if codec == "libvpx-vp9" else {"auto-alt-ref": "0", "qmin": "1"}
    if not codec.startswith("libvpx"):
        options = {}
    clip = write_clip(
        tmp_path / name,
        pixels,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        muxer=muxer,
    )
    with open_reader(clip, height=32, width=96) as reader:
        picture = reader.read(0, 1)[0].astype(int)
    np.testing.assert_allclose(picture[16, [16, 48, 80], 1], [0, 100, 200], atol=4)


PATCHES = [RED, GREEN, BLUE, WHITE, (0, 0, 0), (200, 120, 40), (30, 90, 200)]


def yuv_picture(rgb: tuple[int, int, int], bits: int, matrix: int, is_full: bool) -> av.VideoFrame:
    """Return a flat picture, converted by the formulas of ITU-T H.273."""
    k_red, k_blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = k_red * red + (1 - k_red - k_blue) * green + k_blue * blue
    chroma = [(blue - luma) / (2 * (1 - k_blue)), (red - luma) / (2 * (1 - k_red))]
    scale, top = 1 << (bits - 8), (1 << bits) - 1
    if is_full:
        values = [luma * top, *(128 * scale + top * c for c in chroma)]
    else:
        values = [(16 + 219 * luma) * scale, *((128 + 224 * c) * scale for c in chroma)]
    picture = av.VideoFrame(32, 32, "yuv420p" if bits == 8 else "yuv420p10le")
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    for plane, value in zip(picture.planes, values, strict=True):
        level = min(round(value), top)
        plane.update(np.full(plane.buffer_size // dtype.itemsize, level, dtype).tobytes())
    picture.colorspace, picture.color_range = matrix, 2 if is_full else 1
    return picture


@pytest.mark.parametrize("is_full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 5, 6], ids=["bt709", "bt601 625", "bt601 525"])
@pytest.mark.parametrize("bits", [8, 10])
def test_every_matrix_range_and_depth_gives_the_same_colours(
    bits: int, matrix: int, is_full: bool, tmp_path: Path
) -> None:
    for rgb in PATCHES:
        clip = write_raw(tmp_path / "clip.mkv", yuv_picture(rgb, bits, matrix, is_full))
        with open_reader(clip) as reader:
            np.testing.assert_allclose(reader.read(0, 1)[0, 8, 8].astype(int), rgb, atol=2)


def test_an_untagged_clip_has_the_matrix_of_its_size(tmp_path: Path) -> None:
    for size, matrix in (((64, 32), 6), ((1280, 720), 1)):
        picture = yuv_picture(GREEN, 8, matrix, False).reformat(*size)
        picture.colorspace, picture.color_range = 2, 0
        clip = write_raw(tmp_path / "clip.mkv", picture)
        with open_reader(clip) as reader:
            np.testing.assert_allclose(reader.read(0, 1)[0, 8, 8].astype(int), GREEN, atol=2)


def test_stretching_is_antialiased_and_bilinear(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 47, 33, 3), np.uint8)
    clip = write_clip(tmp_path / "clip.mkv", pixels, codec="ffv1", pixel_format="bgr0")
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(pixels).permute(0, 3, 1, 2),
        size=(HEIGHT, WIDTH),
        mode="bilinear",
        antialias=True,
    ).permute(0, 2, 3, 1)
    with open_reader(clip) as reader:
        np.testing.assert_array_equal(reader.read(0, 1), expected.numpy())


def test_cropping_fills_and_padding_keeps_everything(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", quarters(16)[None], codec="ffv1", pixel_format="bgr0")
    with open_reader(clip, height=16, width=16, fit="crop") as reader:
        cropped = reader.read(0, 1)[0]
    np.testing.assert_array_equal(cropped, quarters(16)[:, 8:24])
    with open_reader(clip, height=32, width=32, fit="pad") as reader:
        padded = reader.read(0, 1)[0]
    np.testing.assert_array_equal(padded[8:24], quarters(16))
    assert not padded[:8].any()
    assert not padded[24:].any()


def test_pixels_that_are_not_square_count_when_cropping_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10, options=LOSSLESS)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        white = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 255, np.uint8))
        container.mux(stream.encode(white))
        container.mux(stream.encode(None))
    assert probe_video(path).sample_aspect == 2
    with open_reader(path, height=32, width=32, fit="pad") as reader:
        rows = reader.read(0, 1)[0, :, 16, 0]
    assert rows.tolist() == [0] * 8 + [255] * 16 + [0] * 8
    with open_reader(path, height=32, width=32, fit="stretch") as reader:
        assert reader.read(0, 1).min() == 255
