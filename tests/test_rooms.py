"""The rooms of the code: which may import which, as ``rooms.yaml`` says, and how full they are."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from checkout import ROOT

ROOMS: dict[str, list[str]] = yaml.safe_load((ROOT / "tests" / "rooms.yaml").read_text())
MOST_MODULES = 16  # of a folder
UNTESTED: dict[str, str] = yaml.safe_load((ROOT / "tests" / "untested.yaml").read_text())
SOURCE_ROOTS = (ROOT / "renderer", ROOT / "queue")


def find_modules() -> dict[str, Path]:
    """Return all modules and packages by their dotted names."""
    modules = {}
    for root in SOURCE_ROOTS:
        for file in sorted(root.rglob("*.py")):
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            modules[name.removesuffix(".__init__")] = file
    return modules


MODULES = find_modules()
PACKAGES = {name for name, file in MODULES.items() if file.name == "__init__.py"}


def room_of(module: str) -> str:
    """Return the folder of a module; what lies in the top folder is a room of its own."""
    parent = module.rpartition(".")[0]
    return module if module in PACKAGES or ("." not in parent and parent in PACKAGES) else parent


def imports_of(file: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


@cache
def find_arrows() -> dict[str, dict[str, str]]:
    """Return for every room the rooms that it imports, each with one module that does."""
    arrows: dict[str, dict[str, str]] = defaultdict(dict)
    for name, file in MODULES.items():
        for imported in imports_of(file):
            if room_of(imported) != room_of(name):
                arrows[room_of(name)].setdefault(room_of(imported), f"{name} imports {imported}")
    return arrows


def test_every_room_is_named_in_the_rules() -> None:
    assert {room_of(name) for name in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_its_rule_allows_and_nothing_else(room: str) -> None:
    arrows = find_arrows()[room]
    assert not {to: how for to, how in arrows.items() if to not in ROOMS[room]}
    assert set(arrows) == set(ROOMS[room]), "the rule allows more than is used"


def test_rules_lead_downwards_only() -> None:
    """A room may import what stands above it in the file, so no circle can form."""
    order = {room: place for place, room in enumerate(ROOMS)}
    upwards = [
        (room, to) for room, allowed in ROOMS.items() for to in allowed if order[to] >= order[room]
    ]
    assert not upwards


def test_no_folder_is_crowded() -> None:
    counts = Counter(file.parent for name, file in MODULES.items() if name not in PACKAGES)
    assert not {str(folder): count for folder, count in counts.items() if count > MOST_MODULES}


def test_every_module_of_the_queue_has_a_test_file_of_its_name_or_a_reason() -> None:
    """``untested.yaml`` has the reasons; what has a file, or is gone, has none."""
    source, tests = ROOT / "queue" / "rushes_queue", ROOT / "tests" / "queue"
    without = {
        str(module)
        for module in (file.relative_to(source) for file in source.rglob("*.py"))
        if module.name != "__init__.py"
        and not (tests / module.parent / f"test_{module.name}").is_file()
    }
    assert without == set(UNTESTED)
    assert all(reason.strip() for reason in UNTESTED.values())
