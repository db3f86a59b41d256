"""The node graph of a workflow: which of its nodes the picture passes through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rushes.timeline.fields import Fields
from rushes.timeline.pipelines import PASSTHROUGH

SOURCE, SINKS = "source", ("sink", "record")


def check_graph(document: Fields, main_id: str | None) -> None:
    """Report the nodes between source and sink that we cannot run.

    Nodes beside that path, and a passthrough on it, change nothing and are let be.
    Source: scope: frontend/src/lib/workflowApi.ts
    """
    graph = document.object("graph")
    if graph is None:
        return
    for key in ("nodes", "edges"):
        graph.array(key)
    kinds = {node["id"]: node for node in _nodes(graph.data)}
    runs = [
        node_id for node_id in _path_nodes(graph.data, kinds) if not _is_harmless(kinds[node_id])
    ]
    mains = [node_id for node_id in runs if kinds[node_id].get("pipeline_id") == main_id]
    others = [node_id for node_id in runs if node_id not in mains]
    for node_id in [*mains[1:], *others]:
        message = f'node "{node_id}" cannot run here; remove it, or the result differs'
        graph.problems.block_render(graph.path_of("nodes"), message, node_id)


def graph_prompt(document: Fields, main_id: str | None) -> str | None:
    """Return the prompt that a graph keeps with its main node, if the file has it nowhere else."""
    graph = document.data.get("graph")
    if not isinstance(graph, dict):
        return None
    state = graph.get("ui_state")
    params = state.get("node_params") if isinstance(state, dict) else None
    for node in _nodes(graph):
        if node.get("pipeline_id") == main_id and isinstance(params, dict):
            own = params.get(node["id"])
            prompt = own.get("__prompt") if isinstance(own, dict) else None
            if isinstance(prompt, str):
                return prompt
    return None


def _nodes(graph: dict[str, Any]) -> list[dict[str, Any]]:
    nodes = graph.get("nodes")
    return [
        node
        for node in (nodes if isinstance(nodes, list) else [])
        if isinstance(node, dict) and isinstance(node.get("id"), str)
    ]


def _path_nodes(graph: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> list[str]:
    """Return the nodes that lie on a way from a source to a sink, in the file's order."""
    ways = [
        (edge.get("from"), edge.get("to_node"))
        for edge in (graph["edges"] if isinstance(graph.get("edges"), list) else [])
        if isinstance(edge, dict) and edge.get("kind", "stream") == "stream"
    ]
    ways = [way for way in ways if all(isinstance(end, str) for end in way)]
    sources = [name for name, node in nodes.items() if node.get("type") == SOURCE]
    sinks = [name for name, node in nodes.items() if node.get("type") in SINKS]
    after = _reachable(sources, ways)
    before = _reachable(sinks, [(end, start) for start, end in ways])
    return [name for name in nodes if name in after & before]


def _reachable(starts: Iterable[str], ways: list[tuple[Any, Any]]) -> set[str]:
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
    return node.get("type") in (SOURCE, *SINKS) or node.get("pipeline_id") == PASSTHROUGH
