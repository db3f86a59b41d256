"""Pictures of HLG, PQ and other primaries become those of BT.709."""

from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from renders.clips import write_raw
from rushes.errors import InputError
from rushes.video.read.colour import Colour, unknown_transfer
from rushes.video.read.convert import to_rgb
from rushes.video.read.probe import probe_video

UPRIGHT = (1, 0, 0, 1)
PQ, HLG, SDR = 16, 18, 1
BT2020, BT709, P3, NTSC = 9, 1, 12, 6
WHITE = 203  # cd/m2
# Of ITU-R BT.2087: light of BT.709 in the primaries of BT.2020.
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def hlg(nits: float) -> float:
    scene = (nits / 1000) ** (1 / 1.2)
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def pq(nits: float) -> float:
    y = (nits / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


CURVES = {HLG: hlg, PQ: pq}


def frame(rgb: tuple[float, ...], transfer: int, primaries: int = BT2020) -> av.VideoFrame:
    """A frame of 10 bits of one colour; its signal is given, full is 1."""
    red, green, blue = rgb
    luma = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    planes = (
        64 + 876 * luma,
        512 + 896 * (blue - luma) / 1.8814,
        512 + 896 * (red - luma) / 1.4746,
    )
    made = av.VideoFrame(64, 32, "yuv444p10le")
    for plane, level in zip(made.planes, planes, strict=True):
        plane.update(np.full(plane.buffer_size // 2, round(level), np.uint16).tobytes())
    made.colorspace, made.color_range = 9, 1
    made.color_trc, made.color_primaries = transfer, primaries
    return made


def shown(made: av.VideoFrame) -> NDArray[np.int64]:
    colour = Colour.of(made)
    picture = to_rgb(made, VideoReformatter(), UPRIGHT, colour)
    assert picture.reshape(-1, 3).std(0).max() == 0
    return picture[0, 0].astype(int)


COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (255, 255, 0)]


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
@pytest.mark.parametrize("rgb", COLOURS, ids=str)
def test_pure_colours_of_sdr_come_back(transfer: int, rgb: tuple[int, ...]) -> None:
    light = TO_BT2020 @ (np.array(rgb) / 255) * WHITE
    found = shown(frame(tuple(CURVES[transfer](float(each)) for each in light), transfer))
    # Ten bits of PQ are coarse: one level more or less is as much as this near black.
    assert np.abs(found - rgb).max() <= (12 if transfer == HLG else 16)


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
def test_lights_stay_apart_up_to_the_peak_and_keep_their_order(transfer: int) -> None:
    grey = [
        int(shown(frame((CURVES[transfer](nits),) * 3, transfer))[0])
        for nits in (1, 20, 100, WHITE, 400, 1000)
    ]
    assert grey == sorted(set(grey))
    assert grey[-1] >= 254


def test_bright_colours_keep_their_hue() -> None:
    red, green, blue = shown(frame((pq(900), pq(300), pq(100)), PQ, primaries=BT709))
    light = [((each / 255 + 0.055) / 1.055) ** 2.4 for each in (red, green, blue)]
    assert light[0] / light[1] == pytest.approx(3, rel=0.05)
    assert light[1] / light[2] == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("primaries", [BT2020, P3, NTSC])
def test_other_primaries_are_converted_and_greys_stay(primaries: int) -> None:
    grey = shown(frame((0.5, 0.5, 0.5), SDR, primaries))
    assert np.abs(grey - 128).max() <= 1
    red = shown(frame((0.8, 0.2, 0.2), SDR, primaries))
    assert red[0] > 204 or primaries == NTSC
    assert not np.array_equal(red, shown(frame((0.8, 0.2, 0.2), SDR, BT709)))


def test_what_is_bt709_or_says_nothing_is_left_alone() -> None:
    for transfer, primaries in ((1, 1), (2, 2), (6, 1), (13, 1), (14, 1), (15, 1)):
        made = frame((0.5, 0.5, 0.5), transfer, primaries)
        made.colorspace = BT709
        assert Colour.of(made) is None


UNSAID = 2
MATRIX_2020 = 9


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["HLG", "PQ"])
@pytest.mark.parametrize("primaries", [BT2020, UNSAID])
@pytest.mark.parametrize("matrix", [MATRIX_2020, UNSAID])
def test_hdr_that_leaves_out_its_primaries_or_matrix_has_those_of_bt2020(
    transfer: int, primaries: int, matrix: int
) -> None:
    light = TO_BT2020 @ [1, 0, 0] * WHITE
    made = frame(tuple(CURVES[transfer](float(each)) for each in light), transfer, primaries)
    made.colorspace = matrix
    assert np.abs(shown(made) - [255, 0, 0]).max() <= 12
    assert "BT.2020: tone-mapped to BT.709" in str(Colour.of(made))


@pytest.mark.parametrize(("primaries", "matrix"), [(UNSAID, MATRIX_2020), (BT2020, UNSAID)])
def test_wide_colours_are_known_by_their_matrix_or_their_primaries(
    primaries: int, matrix: int
) -> None:
    signal = [1.099 * each**0.45 - 0.099 for each in TO_BT2020 @ [1, 0, 0]]
    made = frame(tuple(signal), UNSAID, primaries)
    made.colorspace = matrix
    assert np.abs(shown(made) - [255, 0, 0]).max() <= 12


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_hdr_with_transparency_is_tone_mapped_too(alpha: float) -> None:
    opaque = frame(tuple(hlg(float(each)) for each in TO_BT2020 @ [1, 0, 0] * WHITE), HLG)
    made = av.VideoFrame(64, 32, "yuva444p10le")
    levels = [np.frombuffer(bytes(plane), np.uint16)[0] for plane in opaque.planes]
    for plane, level in zip(made.planes, [*levels, round(1023 * alpha)], strict=True):
        plane.update(np.full(plane.buffer_size // 2, level, np.uint16).tobytes())
    made.colorspace, made.color_range = MATRIX_2020, 1
    made.color_trc, made.color_primaries = HLG, BT2020
    assert np.abs(shown(made) - [255 * alpha, 0, 0]).max() <= 12


def test_constant_luminance_is_read_as_the_usual_kind() -> None:
    made = frame((0.5, 0.5, 0.5), SDR)
    made.colorspace = 10
    assert np.abs(shown(made) - 128).max() <= 1


@pytest.mark.parametrize(("matrix", "name"), [(8, "YCgCo"), (14, "ICtCp")])
def test_colours_that_nothing_here_converts_are_refused(
    tmp_path: Path, matrix: int, name: str
) -> None:
    made = av.VideoFrame(64, 32, "yuv420p")
    for plane in made.planes:
        plane.update(bytes(plane.buffer_size))
    made.colorspace = matrix
    with pytest.raises(InputError, match=f"stores its colours as {name}, which cannot"):
        probe_video(write_raw(tmp_path / "a.mkv", made))


def test_what_is_done_is_said() -> None:
    assert str(Colour(HLG, BT2020)) == "HLG, BT.2020: tone-mapped to BT.709"
    assert str(Colour(SDR, P3)) == "Display P3: converted to BT.709"


def test_a_transfer_function_that_is_not_known_is_named() -> None:
    assert unknown_transfer(frame((0.5, 0.5, 0.5), 10)) == 10
    assert unknown_transfer(frame((0.5, 0.5, 0.5), HLG)) is None


def test_rgb_of_sixteen_bits_is_taken_to_its_end() -> None:
    made = av.VideoFrame.from_ndarray(np.full((8, 8, 3), 65535, np.uint16), "rgb48le")
    picture = to_rgb(made, VideoReformatter(), UPRIGHT, Colour(SDR, P3))
    assert picture.min() == 255
