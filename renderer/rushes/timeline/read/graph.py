"""The node graph of a workflow: the path of the picture, and what steers the main node.

Source: scope: frontend/src/lib/workflowApi.ts; its graph editor's nodes (vace, image, lora)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rushes.timeline.document import NO_IMAGES, Images
from rushes.timeline.fields import Fields
from rushes.timeline.nearby import Nearby, base_name
from rushes.timeline.pipelines import PASSTHROUGH
from rushes.timeline.problems import Problems
from rushes.timeline.read.pictures import NODE_KEYS, WORKFLOW_KEYS, merged, read_file, read_images
from rushes.timeline.read.settings import FRAME_INTERPOLATION
from rushes.timeline.steering_words import names_media

SOURCE, SINKS = "source", ("sink", "record")
VIDEO, VACE_FRAMES = "video", "vace_input_frames"
_VACE_VIDEO = "vaceVideo"
_VIDEO_FILE = "video_file"
_STREAM = "stream"  # the kind of edge that carries pictures; others carry values
_PARAMETER = "param"  # before the port of an edge of the page that carries a value
# The start and the end of an edge, and its port, in the spellings of server and page.
_ENDS = (("from", "from_node", "source"), ("to_node", "to", "target"))
_PORTS = ("to_port", "targetHandle")
_ENDS_OF_GRAPH = (SOURCE, *SINKS)
# Nodes of the page that make a value of those before them.
_PASSING_ON = ("reroute", "math", "bool", "tuple", "slider", "knobs", "xypad", "primitive")
_IMAGE_KEYS = ("imagePath", "image_path", "image", "path", "file_path", "filename", "value")
_FILE_KEYS = ("source_name", "source_path", "video_path", "file_path", "path", "filename")
# Nodes of the page whose values are kept with the main node, or that have none.
_STILL_NODES = {
    *_PASSING_ON,
    *("note", "trigger", "prompt", "output", "sink", "record", "source", "lora", "vace"),
    *("image", "subgraph_input", "subgraph_output", ""),
}
# The ends of edges from image nodes: of a VACE node's inputs, and of a pipeline's.
_IMAGE_PORTS = dict(zip(("ref_image", "first_frame", "last_frame"), WORKFLOW_KEYS, strict=True))
_NODE_KEY_OF = dict(zip(_IMAGE_PORTS, NODE_KEYS, strict=True))


@dataclass(frozen=True)
class _Edge:
    """A line between two nodes; it carries pictures or a parameter into a port of its end."""

    start: str
    end: str
    port: str
    is_stream: bool


@dataclass(frozen=True)
class FromGraph:
    """What only the graph holds: images, clips, and parameters and LoRAs of the main node."""

    images: Images = NO_IMAGES
    control: str | None = None
    input: str | None = None
    feeds_vace: bool = False  # the input goes into VACE, not into the picture
    loras: tuple[Fields, ...] = ()  # objects with arrays ``loras``
    context_scale: float | None = None  # of a VACE node, where it is not 1


def main_params(document: Fields, main_id: Any) -> dict[str, Any]:
    """Return the parameters of a graph's main node, without those of the page itself."""
    graph = _object(document.data.get("graph"))
    node = _main_node(graph, main_id)
    if node is None:
        return {}
    kept = _object(_object(_object(graph.get("ui_state")).get("node_params")).get(node["id"]))
    own = _object(node.get("params"))
    return {
        name: value
        for name, value in (own | kept).items()
        if not name.startswith("__") or names_media(value)
    }


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
    if len(_nodes(graph.data)) < len(graph.array("nodes") or ()):
        message = "holds a node without an id that is a text; export the workflow again"
        graph.problems.error(graph.path_of("nodes"), message)
    nodes = {node["id"]: node for node in _nodes(graph.data)}
    main = _main_node(graph.data, main_id)
    _report_nodes(graph, nodes, main)
    if main is None:
        if main_id is not None and not all(map(_is_harmless, nodes.values())):
            message = f'has no node of "{main_id[:40]}"; export the workflow again'
            graph.problems.error(graph.path_of("nodes"), message, main_id)
        return FromGraph()
    if main.get("tempo_sync"):
        message = "follows the beat of a performance (tempo_sync), which is not done here"
        graph.problems.warn(graph.path_of("nodes"), message, main["id"])
    sources = _sources(graph, nodes, main["id"])
    page = _Page(graph, main["id"], nearby, is_off=vace_is_off)
    images, control = page.images()
    frames = sources.get(VACE_FRAMES)
    if VIDEO in sources and frames is not None:
        control = control or _control_of(frames, graph, nearby)
        frames = None
    source = sources.get(VIDEO) or frames
    return FromGraph(
        replace(images, scale=None),
        control,
        _video_of(source, graph, nearby) if source else None,
        frames is not None,
        tuple(page.lora_nodes()),
        images.scale,
    )


def tells_ways(document: Fields) -> bool:
    """Say whether a workflow has a graph that tells what is connected."""
    graph = _object(document.data.get("graph"))
    return bool(_nodes(graph) and _edges(graph))


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
    """Return the pipeline of a node, from the server's keys or the page's."""
    page = _object(node.get("data")).get("pipelineId")
    return node.get("pipeline_id") or node.get("node_type_id") or page


def _report_nodes(
    graph: Fields, nodes: dict[str, dict[str, Any]], main: dict[str, Any] | None
) -> None:
    ways = list(_stream_ways(graph.data))
    on_way = _on_way(nodes, ways, main["id"] if main else None)
    before = _reachable([main["id"]], _turned(ways)) if main else set()
    for name, node in nodes.items():
        if name not in on_way or node is main or _is_harmless(node):
            continue
        if pipeline_of(node) in FRAME_INTERPOLATION and name not in before:
            message = f'node "{name}" makes more frames in between; it is left out'
            graph.problems.warn(graph.path_of("nodes"), message, name)
            continue
        message = f'node "{name}" cannot run here'
        if name in before:
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


def _sources(
    graph: Fields, nodes: dict[str, dict[str, Any]], main: str
) -> dict[str, dict[str, Any]]:
    """Return the source that feeds each port of the main node, passthroughs left out."""
    found: dict[str, dict[str, Any]] = {}
    ways = _turned(_stream_ways(graph.data))
    for edge in _edges(graph.data):
        if edge.end != main or not edge.is_stream or edge.start not in nodes:
            continue
        is_passed = pipeline_of(nodes[edge.start]) == PASSTHROUGH
        before = _reachable([edge.start], ways) if is_passed else {edge.start}
        for name in sorted(before & nodes.keys()):
            if nodes[name].get("type") == SOURCE:
                found.setdefault(edge.port or VIDEO, nodes[name])
    for port in found.keys() - {VIDEO, VACE_FRAMES}:
        message = f"a source feeds {port[:40]}, which is not understood here; give it with --mask"
        graph.problems.error(graph.path_of("edges"), message, port)
    return found


def _control_of(source: dict[str, Any], graph: Fields, nearby: Nearby) -> str | None:
    """Return the clip that feeds VACE beside the input; it is needed, since it steers."""
    control = _video_of(source, graph, nearby)
    if control is None:
        message = "a source feeds VACE beside the input; give its video with ext.control"
        graph.problems.error(graph.path_of("edges"), message, source["id"])
    return control


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
        plain = [node for node in _nodes(graph.data) if node.get("type") not in _ENDS_OF_GRAPH]
        self._nodes = {node["id"]: node for node in (*plain, *_nodes(state))}
        run = {node["id"] for node in _nodes(graph.data)}
        # Streams between nodes that run are those of the graph itself.
        self._edges = [edge for edge in _edges(state) if not (edge.is_stream and edge.start in run)]
        self._edges += [edge for edge in _edges(graph.data) if not edge.is_stream]
        self._main, self._nearby, self._is_off = main, nearby, is_off

    def images(self) -> tuple[Images, str | None]:
        """Return the images of VACE and image nodes, and the clip of a VACE node."""
        images, control = NO_IMAGES, None
        for name, port in self._before(self._main):
            kind, fields = self._kind(name), self._data(name)
            if kind == "vace":
                own, clip = self._of_vace(name, fields)
                images, control = merged(images, own), control or clip
            elif kind == "image" or port in (*_IMAGE_PORTS, *WORKFLOW_KEYS):
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
        scale = fields.number("vaceContextScale", 0, 2)
        images = replace(images, scale=None if scale is None or scale == 1 else float(scale))
        video = fields.take(_VACE_VIDEO)
        control = read_file(fields, _VACE_VIDEO, video, self._nearby, is_off=self._is_off)
        for before, port in self._before(name):
            own = self._data(before)
            if port == VIDEO:
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

    def _before(
        self, name: str, port: str = "", seen: frozenset[str] = frozenset()
    ) -> Iterator[tuple[str, str]]:
        """Yield the nodes that set a port of a node, and the port; some pass on other values."""
        for edge in self._edges:
            if edge.end != name or edge.start not in self._nodes or edge.start in seen:
                continue
            yield edge.start, port or edge.port
            if self._kind(edge.start) in _PASSING_ON:
                yield from self._before(edge.start, port or edge.port, seen | {edge.start})

    def _kind(self, name: str) -> str:
        node = self._nodes[name]
        kind = _object(node.get("data")).get("nodeType", node.get("type"))
        return kind if isinstance(kind, str) else ""

    def _data(self, name: str) -> Fields:
        node = self._nodes[name]
        data = _object(node.get("data")) or {**node, **_object(node.get("params"))}
        return Fields(data, f"{self._path}.{name[:40]}", self._problems)


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


def _edges(graph: dict[str, Any]) -> list[_Edge]:
    """Return the edges of a graph, which has them in the server's spelling or in the page's."""
    edges = graph.get("edges")
    found = []
    for edge in edges if isinstance(edges, list) else []:
        if not isinstance(edge, dict):
            continue
        start, end = (_first_text(edge, keys) for keys in _ENDS)
        prefix, _, port = _first_text(edge, _PORTS).rpartition(":")
        is_stream = prefix != _PARAMETER and edge.get("kind", _STREAM) == _STREAM
        if start and end:
            found.append(_Edge(start, end, port, is_stream))
    return found


def _first_text(data: dict[str, Any], keys: Iterable[str]) -> str:
    return next((data[key] for key in keys if isinstance(data.get(key), str)), "")


def _stream_ways(graph: dict[str, Any]) -> list[tuple[str, str]]:
    return [(edge.start, edge.end) for edge in _edges(graph) if edge.is_stream]


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
