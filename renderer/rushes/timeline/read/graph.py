"""The node graph of a workflow: the path of the picture, and what steers the main node.

Source: scope: frontend/src/lib/workflowApi.ts; its graph editor's nodes (vace, image, lora)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rushes.timeline.document import NO_IMAGES, Images
from rushes.timeline.fields import Fields
from rushes.timeline.nearby import Nearby, base_name
from rushes.timeline.pipelines import PASSTHROUGH
from rushes.timeline.problems import Problems
from rushes.timeline.read.pictures import NODE_KEYS, WORKFLOW_KEYS, merged, read_file, read_images
from rushes.timeline.read.settings import FRAME_INTERPOLATION

SOURCE, SINKS = "source", ("sink", "record")
VACE_FRAMES = "vace_input_frames"
_VACE_VIDEO = "vaceVideo"
_VIDEO_FILE = "video_file"
_STREAM = "stream"  # the kind of edge that carries pictures; others carry values
_RUN_NODES = (SOURCE, *SINKS, "pipeline")
_IMAGE_KEYS = ("imagePath", "image_path", "image", "path", "file_path", "filename")
_FILE_KEYS = ("source_name", "source_path", "video_path", "file_path", "path", "filename")
# Nodes of the page whose values are kept with the main node, or that have none.
_STILL_NODES = {
    *("primitive", "slider", "knobs", "xypad", "tuple", "bool", "reroute", "math", "note"),
    *("trigger", "prompt", "output", "sink", "record", "source", "pipeline", "lora", "vace"),
    *("image", "subgraph_input", "subgraph_output", ""),
}
# The ends of edges from image nodes: of a VACE node's inputs, and of a pipeline's.
_IMAGE_PORTS = dict(zip(("ref_image", "first_frame", "last_frame"), WORKFLOW_KEYS, strict=True))
_NODE_KEY_OF = dict(zip(_IMAGE_PORTS, NODE_KEYS, strict=True))


@dataclass(frozen=True)
class FromGraph:
    """What only the graph holds: images, clips, and parameters and LoRAs of the main node."""

    images: Images = NO_IMAGES
    control: str | None = None
    input: str | None = None
    feeds_vace: bool = False  # the input goes into VACE, not into the picture
    loras: tuple[Fields, ...] = ()  # objects with arrays ``loras``


def main_params(document: Fields, main_id: Any) -> dict[str, Any]:
    """Return the parameters of a graph's main node, without those of the page itself."""
    graph = _object(document.data.get("graph"))
    node = _main_node(graph, main_id)
    if node is None:
        return {}
    kept = _object(_object(_object(graph.get("ui_state")).get("node_params")).get(node["id"]))
    own = _object(node.get("params"))
    return {name: value for name, value in (own | kept).items() if not name.startswith("__")}


def read_graph(
    document: Fields, main_id: str | None, nearby: Nearby, *, vace_is_off: bool
) -> FromGraph:
    """Report nodes that cannot run here, and return what the others set for the main node.

    Nodes off the picture's path, and passthroughs, have no effect.
    """
    graph = document.object("graph")
    if graph is None:
        return FromGraph()
    for key in ("nodes", "edges"):
        graph.array(key)
    nodes = {node["id"]: node for node in _nodes(graph.data)}
    main = _main_node(graph.data, main_id)
    _report_nodes(graph, nodes, main)
    if main is None:
        return FromGraph()
    source, feeds_vace = _find_source(graph.data, nodes, main["id"])
    page = _Page(graph, main["id"], nearby, is_off=vace_is_off)
    images, control = page.images()
    return FromGraph(
        images,
        control,
        _video_of(source, graph, nearby) if source else None,
        feeds_vace,
        tuple(page.lora_nodes()),
    )


def graph_prompt(document: Fields, main_id: str | None) -> str | None:
    """Return the prompt of a graph's main node, for files without any other prompt."""
    graph = _object(document.data.get("graph"))
    params = _object(_object(graph.get("ui_state")).get("node_params"))
    for node in _nodes(graph):
        prompt = _object(params.get(node["id"])).get("__prompt")
        if pipeline_of(node) == main_id and isinstance(prompt, str):
            return prompt
    return None


def pipeline_of(node: dict[str, Any]) -> Any:
    """Return the pipeline of a node, from its older or its newer key."""
    return node.get("pipeline_id") or node.get("node_type_id")


def _report_nodes(
    graph: Fields, nodes: dict[str, dict[str, Any]], main: dict[str, Any] | None
) -> None:
    ways = list(_stream_ways(graph.data))
    on_way = _on_way(nodes, ways, main["id"] if main else None)
    for name, node in nodes.items():
        if name not in on_way or node is main or _is_harmless(node):
            continue
        if pipeline_of(node) in FRAME_INTERPOLATION:
            message = f'node "{name}" makes more frames in between; it is left out'
            graph.problems.warn(graph.path_of("nodes"), message, name)
            continue
        message = f'node "{name}" cannot run here'
        if main is not None and name in _reachable([main["id"]], _turned(ways)):
            cure = "make its pictures elsewhere and give them with --control or --input, and"
            message = f"{message}, and the main pipeline needs its pictures; {cure} remove it"
        else:
            message = f"{message}; remove it, or the result differs"
        graph.problems.error(graph.path_of("nodes"), message, name)


def _on_way(
    nodes: dict[str, dict[str, Any]], ways: list[tuple[str, str]], main: str | None
) -> set[str]:
    """Return the nodes before the main one, and those on a way from it or a source to a sink."""
    sources = [name for name, node in nodes.items() if node.get("type") == SOURCE]
    sinks = [name for name, node in nodes.items() if node.get("type") in SINKS]
    starts = [*sources, main] if main else sources
    between = _reachable(starts, ways) & _reachable(sinks, _turned(ways))
    return between | (_reachable([main], _turned(ways)) if main else set())


def _find_source(
    graph: dict[str, Any], nodes: dict[str, dict[str, Any]], main: str
) -> tuple[dict[str, Any] | None, bool]:
    """Return the source that feeds the main node, and whether it feeds its VACE."""
    for edge in _edges(graph):
        start = edge.get("from")
        if edge.get("to_node") == main and isinstance(start, str) and start in nodes:
            before = {start}
            if nodes[start].get("pipeline_id") == PASSTHROUGH:
                before = _reachable([start], _turned(list(_stream_ways(graph))))
            for name in before:
                if name in nodes and nodes[name].get("type") == SOURCE:
                    return nodes[name], edge.get("to_port") == VACE_FRAMES
    return None, False


def _video_of(source: dict[str, Any], graph: Fields, nearby: Nearby) -> str | None:
    """Return the clip of a source node, by its name; that of another kind comes with --input."""
    if source.get("source_mode") != _VIDEO_FILE:
        return None
    for key in _FILE_KEYS:
        written = source.get(key)
        if isinstance(written, str) and written:
            name = base_name(written)
            found = nearby.find(written)
            if found is None and name:
                message = f"{name[:80]} is not beside this file; copy it there, or give --input"
                graph.problems.warn(graph.path_of("nodes"), message, written)
            return found or name or None
    graph.problems.warn(graph.path_of("nodes"), "a video file is not named; give --input")
    return None


class _Page:
    """The page's own nodes that are connected to the main node."""

    def __init__(self, graph: Fields, main: str, nearby: Nearby, *, is_off: bool) -> None:
        state = _object(graph.data.get("ui_state"))
        self._path = f"{graph.path}.ui_state.nodes"
        self._problems: Problems = graph.problems
        plain = [node for node in _nodes(graph.data) if node.get("type") not in _RUN_NODES]
        self._nodes = {node["id"]: node for node in (*plain, *_nodes(state))}
        self._edges = [
            (str(edge.get("source")), edge.get("target"), _port(edge)) for edge in _edges(state)
        ]
        self._edges += [
            (str(edge.get("from")), edge.get("to_node"), str(edge.get("to_port")))
            for edge in _edges(graph.data)
            if edge.get("kind", _STREAM) != _STREAM
        ]
        self._main, self._nearby, self._is_off = main, nearby, is_off

    def images(self) -> tuple[Images, str | None]:
        """Return the images of VACE and image nodes, and the clip of a VACE node."""
        images, control = NO_IMAGES, None
        for name, port in self._before(self._main):
            kind, fields = self._kind(name), self._data(name)
            if kind == "vace":
                own, control = self._of_vace(name, fields)
                images = merged(images, own)
            elif kind == "image":
                images = merged(images, self._of_image(fields, port))
            elif kind not in _STILL_NODES:
                message = (
                    f'node "{name}" moves {port} while it plays, which cannot be followed here; '
                    "remove it, or write it as ext.schedules"
                )
                self._problems.error(self._path, message, name)
        return images, control

    def lora_nodes(self) -> Iterator[Fields]:
        for name, _ in self._before(self._main):
            if self._kind(name) == "lora":
                yield self._data(name)

    def _of_vace(self, name: str, fields: Fields) -> tuple[Images, str | None]:
        images = read_images(fields, NODE_KEYS, self._nearby, is_off=self._is_off)
        video = fields.take(_VACE_VIDEO)
        control = read_file(fields, _VACE_VIDEO, video, self._nearby, is_off=self._is_off)
        for before, port in self._before(name):
            if self._kind(before) != "image":
                continue
            own = self._data(before)
            if port == "video":
                control = control or self._file_of(own)
            elif not fields.data.get(_NODE_KEY_OF.get(port, "")):
                images = merged(images, self._of_image(own, port))
        return images, control

    def _of_image(self, fields: Fields, port: str) -> Images:
        file = self._file_of(fields)
        port = _IMAGE_PORTS.get(port, port)
        if file is None:
            return NO_IMAGES
        if port not in WORKFLOW_KEYS:
            message = f"feeds {port[:40]}, which is not understood here; remove it"
            self._problems.error(fields.path, message, port)
            return NO_IMAGES
        references, first, last = WORKFLOW_KEYS
        return Images(
            (file,) if port == references else (),
            file if port == first else None,
            file if port == last else None,
        )

    def _file_of(self, fields: Fields) -> str | None:
        """Return the file that a node shows, if it is at hand."""
        key = next((key for key in _IMAGE_KEYS if fields.data.get(key)), _IMAGE_KEYS[0])
        return read_file(fields, key, fields.data.get(key), self._nearby, is_off=self._is_off)

    def _before(self, name: str) -> Iterator[tuple[str, str]]:
        for source, target, port in self._edges:
            if target == name and source in self._nodes and port is not None:
                yield source, port

    def _kind(self, name: str) -> str:
        node = self._nodes[name]
        kind = _object(node.get("data")).get("nodeType", node.get("type"))
        return kind if isinstance(kind, str) else ""

    def _data(self, name: str) -> Fields:
        node = self._nodes[name]
        data = _object(node.get("data")) or {**node, **_object(node.get("params"))}
        return Fields(data, f"{self._path}.{name[:40]}", self._problems)


def _port(edge: dict[str, Any]) -> str | None:
    """Return the parameter at the end of an edge; None for a stream of pictures."""
    handle = edge.get("targetHandle")
    if not isinstance(handle, str) or not handle.startswith("param:"):
        return None
    return handle.removeprefix("param:")


def _main_node(graph: dict[str, Any], main_id: Any) -> dict[str, Any] | None:
    for node in _nodes(graph):
        if main_id is not None and pipeline_of(node) == main_id:
            return node
    return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _nodes(graph: dict[str, Any]) -> list[dict[str, Any]]:
    nodes = graph.get("nodes")
    return [
        node
        for node in (nodes if isinstance(nodes, list) else [])
        if isinstance(node, dict) and isinstance(node.get("id"), str)
    ]


def _edges(graph: dict[str, Any]) -> list[dict[str, Any]]:
    edges = graph.get("edges")
    return [edge for edge in (edges if isinstance(edges, list) else []) if isinstance(edge, dict)]


def _stream_ways(graph: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for edge in _edges(graph):
        ends = edge.get("from"), edge.get("to_node")
        if edge.get("kind", _STREAM) == _STREAM and all(isinstance(end, str) for end in ends):
            yield str(ends[0]), str(ends[1])


def _turned(ways: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(end, start) for start, end in ways]


def _reachable(starts: Iterable[str], ways: list[tuple[str, str]]) -> set[str]:
    followers: dict[str, list[str]] = {}
    for start, end in ways:
        followers.setdefault(start, []).append(end)
    found: set[str] = set()
    open_nodes = list(starts)
    while open_nodes:
        name = open_nodes.pop()
        if name not in found:
            found.add(name)
            open_nodes.extend(followers.get(name, ()))
    return found


def _is_harmless(node: dict[str, Any]) -> bool:
    return node.get("type") in (SOURCE, *SINKS) or pipeline_of(node) == PASSTHROUGH
