"""Change the rules in small ways and see whether the tests notice: ``make mutate``.

    python tools/mutate.py                         # 300 changes, spread over all rules below
    python tools/mutate.py --count 40 --only philox
    python tools/mutate.py --minutes 60 --output benchmarks/results/mutants.json
    python tools/mutate.py --go-on --output benchmarks/results/mutants.json  # the rest of the 300
    python tools/mutate.py --again benchmarks/results/mutants.json  # its survivors only

Every change is one of: a comparison turned to its neighbour, ``and`` for ``or``, a number plus one,
plus for minus, a condition negated; in Python and in the Lua scripts of the broker. A change that
no test of its module notices survives and is listed. All happens in a copy of the checkout.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_SECONDS = 300  # of the tests of one change; a hang counts as noticed
_STREAM, _PLAN = "renderer/rushes/stream/", "renderer/rushes/timeline/plan/"
_CACHES, _BROKER = "renderer/rushes/models/caches/", "queue/rushes_queue/broker/"
_OF_PLAN = ("tests/renderer/timeline/plan",)
_OF_CACHES = ("tests/renderer/models/caches",)
_CHANGES, _RECORDS = (f"tests/queue/broker/test_job_{name}.py" for name in ("changes", "records"))
_SLOW = (
    f"{_CHANGES}::test_a_long_chain_ends_and_comes_back",
    f"{_RECORDS}::test_any_sequence_of_calls_does_what_the_model_does",
)
_OF_LUA = ("tests/queue/broker", *(f"--deselect={test}" for test in _SLOW))
# What is tried besides, where the tests above notice nothing.
_OF_DRIVERS = ("tests/renderer/drivers",)
SLOWER = {f"{_BROKER}lua/": _SLOW, _STREAM: _OF_DRIVERS, "renderer/rushes/models/": _OF_DRIVERS}
# Modules that decide something, and the tests that hold them.
RULES: dict[str, tuple[str, ...]] = {
    "renderer/rushes/noise/philox.py": ("tests/renderer/noise",),
    "renderer/rushes/noise/chunk_noise.py": ("tests/renderer/noise",),
    **{
        f"{_STREAM}{name}.py": (f"tests/renderer/stream/test_{name}.py",)
        for name in (
            *("noise_controller", "schedule", "blending", "conditioning", "clip_noise"),
            *("denoise", "pixels", "control", "stream"),
        )
    },
    **{
        f"{_CACHES}{name}.py": _OF_CACHES
        for name in (
            *("kv_cache", "ring_cache", "queue_cache", "slots", "window", "sink_window"),
            *("frame_bank", "ema_sink", "rebuilt_cache", "step_window", "feature_cache"),
        )
    },
    "renderer/rushes/models/rope.py": ("tests/renderer/models/test_rope.py",),
    "renderer/rushes/models/dit.py": ("tests/renderer/models/test_dit.py",),
    "renderer/rushes/drivers/clips.py": ("tests/renderer/drivers/test_slow_streams.py",),
    "renderer/rushes/drivers/tail.py": ("tests/renderer/drivers/test_slow_streams.py",),
    "renderer/rushes/drivers/rebuilding.py": ("tests/renderer/drivers/test_slow_streams.py",),
    "renderer/rushes/drivers/recaching.py": ("tests/renderer/drivers/test_slow_streams.py",),
    "renderer/rushes/timeline/era.py": ("tests/renderer/timeline/test_era.py",),
    **{
        f"{_PLAN}{name}.py": _OF_PLAN
        for name in (
            *("planner", "lengths", "prompt_changes", "spans", "profiles", "job_settings"),
            *("lora_strengths", "plan_warnings"),
        )
    },
    "renderer/rushes/metrics/published_warp.py": ("tests/renderer/metrics/test_published_warp.py",),
    **{
        f"queue/rushes_queue/jobs/{name}.py": (f"tests/queue/jobs/test_{name}.py",)
        for name in ("plan_document", "limits", "failures", "record", "states", "queue_names")
    },
    **{
        f"{_BROKER}{name}.py": (f"tests/queue/broker/test_{name}.py",)
        for name in ("leases", "attempt_ends", "waiting", "live_workers", "event_log", "totals")
    },
    **{
        f"{_BROKER}lua/{name}.lua": _OF_LUA
        for name in (
            *("claim", "renew", "finish", "fail", "lose", "losses", "reap", "release"),
            *("retry", "resume", "settle", "submit", "set_priority"),
        )
    },
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
_LUA: tuple[
    tuple[re.Pattern[str], dict[str, str]], ...
] = (  # what is looked for, what stands there instead
    (re.compile(r" (<=|>=|==|~=|<|>) "), {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}),
    (re.compile(r" (and|or) "), {"and": "or", "or": "and"}),
    (re.compile(r" ([+-]) (?=[\w(])"), {"+": "-", "-": "+"}),
    (re.compile(r"(?<=if )(?=[^\n]* then)()"), {"": "not "}),
    (re.compile(r"(?<=[\s(,-])(\d+)(?=[\s),])"), {}),
)


@dataclass(frozen=True)
class Mutant:
    """A module with one change in it."""

    module: str
    line: int
    what: str
    source: str


def python_mutants(module: str, source: str) -> Iterator[Mutant]:
    tree = ast.parse(source)
    for line, what in changes(tree):
        yield Mutant(module, line, what, ast.unparse(ast.fix_missing_locations(tree)))


def changes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Make every change, one at a time; yield its line and what it is while it stands."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
                node.ops = [_COMPARISONS[type(op)]()]
                yield line, f"{type(op).__name__} -> {type(node.ops[0]).__name__}"
                node.ops = [op]
            case ast.BoolOp(op=op):
                node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
                yield line, f"{type(op).__name__} -> {type(node.op).__name__}"
                node.op = op
            case ast.BinOp(op=op) if type(op) in _SUMS:
                node.op = _SUMS[type(op)]()
                yield line, f"{type(op).__name__} -> {type(node.op).__name__}"
                node.op = op
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                node.value = value + 1
                yield line, f"{value} -> {node.value}"
                node.value = value
            case ast.If(test=test) | ast.IfExp(test=test):
                node.test = ast.UnaryOp(ast.Not(), test)
                yield line, "condition negated"
                node.test = test


def lua_mutants(module: str, source: str) -> Iterator[Mutant]:
    lines = source.split("\n")
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("--", "#!")):
            continue
        code = line.partition(" -- ")[0]
        for pattern, others in _LUA:
            for found in pattern.finditer(code):
                was = found.group(1)
                now = {"==": "~=", "~=": "=="}.get(was) or others.get(was)
                if was.isdigit():
                    now = str(int(was) + 1)
                if now is None:
                    continue
                changed = code[: found.start(1)] + now + line[found.end(1) :]
                source = "\n".join([*lines[:number], changed, *lines[number + 1 :]])
                yield Mutant(module, number + 1, f"{was or 'if'} -> {now.strip()}", source)


def all_mutants(only: str) -> list[Mutant]:
    found: list[Mutant] = []
    for module in RULES:
        if only in module:
            source = (ROOT / module).read_text(encoding="utf-8")
            make = lua_mutants if module.endswith(".lua") else python_mutants
            found += make(module, source)
    return found


def copy_of_checkout(folder: Path) -> None:
    """Copy what git knows of; an install elsewhere gives way to the copy's own folders."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def is_noticed(folder: Path, tests: tuple[str, ...]) -> bool:
    """Run tests in a child that has the large libraries already; a hang counts as noticed."""
    pid = os.fork()
    if pid == 0:
        _run_tests(folder, tests)
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            _kill_group(pid)
            return status != 0
        time.sleep(0.05)
    _kill_group(pid)
    os.waitpid(pid, 0)
    return True


def _run_tests(folder: Path, tests: tuple[str, ...]) -> None:
    import hypothesis
    import pytest

    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        sources = [str(folder / name) for name in ("renderer", "queue", "training")]
        os.environ["PYTHONPATH"] = os.pathsep.join(sources)
        sys.dont_write_bytecode = True
        sys.path[:0] = sources
        quiet = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")
        known = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # what is preloaded
        # What fails need not be made small.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", phases=phases, database=None, deadline=None)
        hypothesis.settings.load_profile("mutants")
        code = int(pytest.main([*quiet, *known, *tests]))
    finally:
        os._exit(code)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def preload() -> None:
    """Import what takes long, so that no child has to; nothing of ours is imported here."""
    import hypothesis
    import pydantic
    import pytest
    import redis
    import torch
    import transformers

    torch.set_num_threads(1)
    del hypothesis, pydantic, pytest, redis, transformers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--only", default="", help="modules whose path has this in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no change after that")
    trust = "do not try the tests on the code as it is first"
    parser.add_argument("--trust", action="store_true", help=trust)
    parser.add_argument("--output", type=Path, help="a JSON file for the result")
    rest = "go on after the changes that the file of --output has"
    parser.add_argument("--go-on", action="store_true", help=rest)
    parser.add_argument("--again", type=Path, help="try the survivors of such a file again")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    found = all_mutants(args.only)
    if args.again:
        found = survivors_of(args.again, found)
    chosen = random.Random(args.seed).sample(found, min(args.count, len(found)))
    end = time.monotonic() + 60 * args.minutes
    preload()
    tried, survivors = earlier(args.output, args.seed, found, chosen) if args.go_on else ([], [])
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copy_of_checkout(folder)
        if not args.trust:
            refuse_failing(folder, chosen[len(tried) :])
        for mutant in chosen[len(tried) :]:
            if time.monotonic() > end:
                break
            tried.append(mutant)
            if survives(folder, mutant):
                survivors.append(mutant)
                print(f"{mutant.module}:{mutant.line} {mutant.what}", flush=True)
            if args.output:
                write_result(args.output, args.seed, len(found), len(tried), survivors)
    killed = len(tried) - len(survivors)
    print(f"{killed} of {len(tried)} changes noticed ({killed / max(1, len(tried)):.0%})")


def tests_of(mutant: Mutant) -> tuple[str, ...]:
    """Return the tests of a module, those in the file of its name first: they notice soonest."""
    tests = RULES[mutant.module]
    own = [
        str(file.relative_to(ROOT))
        for folder in tests
        for file in (ROOT / folder).glob(f"test_{Path(mutant.module).stem}.py")
    ]
    return (*own, *tests)


def refuse_failing(folder: Path, chosen: list[Mutant]) -> None:
    """End with a message where tests fail on the code as it is."""
    for tests in dict.fromkeys(RULES[mutant.module] for mutant in chosen):
        if is_noticed(folder, tests):
            sys.exit(f"{' '.join(tests)} fails on the code as it is")


def survives(folder: Path, mutant: Mutant) -> bool:
    """Put a change into the copy, and say whether no test notices it."""
    path, tests = folder / mutant.module, tests_of(mutant)
    before = path.read_bytes()
    path.write_text(mutant.source, encoding="utf-8")
    try:
        if is_noticed(folder, tests):
            return False
        slower = (each for start, each in SLOWER.items() if mutant.module.startswith(start))
        return not any(is_noticed(folder, each) for each in slower)
    finally:
        path.write_bytes(before)


def survivors_of(result: Path, found: list[Mutant]) -> list[Mutant]:
    """Return the changes that a result lists, as far as the code has not moved."""
    listed = json.loads(result.read_text(encoding="utf-8"))["survivors"]
    known = {(each["module"], each["line"], each["what"]) for each in listed}
    return [mutant for mutant in found if (mutant.module, mutant.line, mutant.what) in known]


def earlier(
    result: Path, seed: int, found: list[Mutant], chosen: list[Mutant]
) -> tuple[list[Mutant], list[Mutant]]:
    """Return the changes that a run tried before it was ended, and its survivors."""
    before = json.loads(result.read_text(encoding="utf-8"))
    if (before["seed"], before["possible"]) != (seed, len(found)):
        sys.exit(f"{result} is of another draw: the code has moved, or --seed is another")
    tried = chosen[: before["tried"]]
    return tried, survivors_of(result, tried)


def write_result(
    output: Path, seed: int, possible: int, tried: int, survivors: list[Mutant]
) -> None:
    listed = [{k: v for k, v in asdict(each).items() if k != "source"} for each in survivors]
    result = {
        "seed": seed,
        "possible": possible,
        "tried": tried,
        "noticed": tried - len(survivors),
        "survivors": listed,
    }
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
