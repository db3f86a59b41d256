"""Frame numbers as other tools write them: plain, or as a small sum with the last frame."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from fractions import Fraction

LONGEST = 100  # characters
_MOST = 10**9
_SUMS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
}


def read_frame(text: str, last_frame: int | None) -> int | None:
    """Return the frame that a key means; ``max_f`` in it is the last one.

    None for what is neither a number nor a sum of numbers.
    Source: deforum-art/sd-webui-deforum: scripts/deforum_helpers/prompt.py (max_f)
    """
    if len(text) > LONGEST:
        return None
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body, last_frame)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None
    return int(value) if 0 <= value < _MOST else None


def _value(node: ast.expr, last_frame: int | None) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if abs(number) < _MOST:
                return Fraction(number)
        case ast.Name(id="max_f") if last_frame is not None:
            return Fraction(last_frame)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SUMS:
            value = _SUMS[type(op)](_value(left, last_frame), _value(right, last_frame))
            if abs(value) < _MOST:
                return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, last_frame)
        case _:
            pass
    raise ValueError("is not a sum of numbers")
