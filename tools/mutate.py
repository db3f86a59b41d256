"""Change the code in small ways and see whether the tests notice: ``make mutate``.

    python tools/mutate.py                         # 300 changes, spread over all rules below
    python tools/mutate.py --count 40 --only philox

Every change is one of: a comparison turned to its neighbour, ``and`` for ``or``, a number plus one,
plus for minus, a condition negated. A change that no test of its module notices survives and is
listed. The module is written back afterwards, also after Ctrl-C; work on a clean checkout.
"""

from __future__ import annotations

import argparse
import ast
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Modules that decide something, and the tests that hold them.
RULES = {
    "renderer/rushes/noise/philox.py": "tests/renderer/noise",
    "renderer/rushes/stream/noise_controller.py": "tests/renderer/stream/test_noise_controller.py",
    "renderer/rushes/stream/schedule.py": "tests/renderer/stream/test_schedule.py",
    "renderer/rushes/stream/blending.py": "tests/renderer/stream/test_blending.py",
    "renderer/rushes/timeline/era.py": "tests/renderer/timeline/test_era.py",
    "renderer/rushes/timeline/plan/prompt_changes.py": "tests/renderer/timeline/plan",
    "renderer/rushes/timeline/plan/planner.py": "tests/renderer/timeline/plan",
    "renderer/rushes/timeline/plan/lengths.py": "tests/renderer/timeline/plan",
    "renderer/rushes/metrics/published_warp.py": "tests/renderer/metrics/test_published_warp.py",
    "queue/rushes_queue/jobs/plan_document.py": "tests/queue/jobs/test_plan_document.py",
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SUMS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


def changes(tree: ast.Module) -> Iterator[tuple[int, str, ast.AST]]:
    """Yield every change: its line, what it is, and the module with it; one at a time."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
                node.ops = [_COMPARISONS[type(op)]()]
                yield line, f"{type(op).__name__} -> {type(node.ops[0]).__name__}", tree
                node.ops = [op]
            case ast.BoolOp(op=op):
                node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
                yield line, f"{type(op).__name__} -> {type(node.op).__name__}", tree
                node.op = op
            case ast.BinOp(op=op) if type(op) in _SUMS:
                node.op = _SUMS[type(op)]()
                yield line, f"{type(op).__name__} -> {type(node.op).__name__}", tree
                node.op = op
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                node.value = value + 1
                yield line, f"{value} -> {node.value}", tree
                node.value = value
            case ast.If(test=test) | ast.IfExp(test=test):
                node.test = ast.UnaryOp(ast.Not(), test)
                yield line, "condition negated", tree
                node.test = test


def is_noticed(tests: str) -> bool:
    """Run tests; a hang counts as noticed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--only", default="", help="modules whose path has this in it")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that modules are written back
    found = []
    for module, tests in RULES.items():
        if args.only in module:
            source = (ROOT / module).read_text(encoding="utf-8")
            found += [
                (module, tests, line, what, ast.unparse(ast.fix_missing_locations(changed)))
                for line, what, changed in changes(ast.parse(source))
            ]
    chosen = random.Random(args.seed).sample(found, min(args.count, len(found)))
    for tests in dict.fromkeys(tests for _, tests, *_ in chosen):
        if is_noticed(tests):
            sys.exit(f"{tests} fails on the code as it is")
    survivors = []
    for module, tests, line, what, changed in chosen:
        path = ROOT / module
        before = path.read_bytes()
        try:
            path.write_text(changed, encoding="utf-8")
            if not is_noticed(tests):
                survivors.append(f"{module}:{line} {what}")
                print(survivors[-1], flush=True)
        finally:
            path.write_bytes(before)
    killed = len(chosen) - len(survivors)
    print(f"{killed} of {len(chosen)} changes noticed ({killed / max(1, len(chosen)):.0%})")


if __name__ == "__main__":
    main()
