"""Deinterlaces with FFmpeg's bwdif: one frame out for each one in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import av
from av.filter import Graph
from av.video import VideoStream

# One frame a frame, whatever field is first, and only those that are flagged as interlaced.
_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"


StatedFields = Literal["tff", "bff"]  # which field is first
# FFmpeg's AVFieldOrder; the second letter tells which field is shown first.
_TOP_FIRST, _BOTTOM_FIRST = {2, 5}, {3, 4}


def stated_field_order(stream: VideoStream) -> StatedFields | None:
    """Return which field is first as the container says; None if it does not say interlaced."""
    order = stream.codec_context.field_order
    return "tff" if order in _TOP_FIRST else "bff" if order in _BOTTOM_FIRST else None


def deinterlaced(
    pictures: Iterable[av.VideoFrame], stream: VideoStream, stated: StatedFields | None = None
) -> Iterator[av.VideoFrame]:
    """Yield deinterlaced pictures with their time stamps.

    The filter uses the frames before and after each one. Where only the container says that they
    are interlaced, ``stated`` marks all.
    Raises: av.FFmpegError.
    """
    graph: Graph | None = None
    kind: tuple[object, ...] = ()
    stamps: list[int | None] = []
    for picture in pictures:
        found = (picture.width, picture.height, picture.format.name)
        if graph is None or found != kind:  # the pictures of a filter have one size
            if graph is not None:
                graph.push(None)
                yield from _pulled(graph, stamps)
            graph, kind = _graph(picture, stream, stated), found
        stamps.append(picture.pts)
        graph.push(picture)
        yield from _pulled(graph, stamps)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, stamps)


def _graph(picture: av.VideoFrame, stream: VideoStream, stated: StatedFields | None) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=stream.time_base,
    )
    marked = [graph.add("setfield", stated)] if stated else []
    filters = (source, *marked, graph.add("bwdif", _OPTIONS), graph.add("buffersink"))
    graph.link_nodes(*filters).configure()
    return graph


def _pulled(graph: Graph, stamps: list[int | None]) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        frame.pts = stamps.pop(0) if stamps else None
        yield frame
