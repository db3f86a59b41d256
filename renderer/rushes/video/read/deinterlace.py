"""Deinterlaces with FFmpeg's bwdif: one frame out for each one in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
from av.filter import Graph
from av.video import VideoStream

# One frame a frame, whatever field is first, and only those that are flagged as interlaced.
_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"


def deinterlaced(pictures: Iterable[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Yield deinterlaced pictures with their time stamps.

    The filter uses the frames before and after each one.
    Raises: av.FFmpegError.
    """
    graph: Graph | None = None
    stamps: list[int | None] = []
    for picture in pictures:
        if graph is None:
            graph = _graph(picture, stream)
        stamps.append(picture.pts)
        graph.push(picture)
        yield from _pulled(graph, stamps)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, stamps)


def _graph(picture: av.VideoFrame, stream: VideoStream) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=stream.time_base,
    )
    graph.link_nodes(source, graph.add("bwdif", _OPTIONS), graph.add("buffersink")).configure()
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
