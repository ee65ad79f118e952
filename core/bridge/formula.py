"""Formulas over band names: read into a small tree, never run as code.

A formula holds numbers, band names, ``+ - * / ^``, parentheses, comparisons, and the functions
below. Its numbers are computed in the science half; here it is only read and checked.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Dict, List, Tuple, Union

from .errors import InvalidRequestError
from .text_length import shortened

MAX_LENGTH = 1000  # characters
MAX_DEPTH = 100  # of the tree: a sum of a hundred terms is this deep
MAX_PARENTHESES = 25  # inside each other

# How many values each function takes; None: two or more
FUNCTIONS = {"min": None, "max": None, "abs": 1, "sqrt": 1, "log": 1, "exp": 1, "where": 3}
GRAMMAR = (
    "numbers, band names, + - * / ^, parentheses, comparisons (< <= > >= == !=) and "
    "min, max, abs, sqrt, log, exp, where"
)
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)

_SYMBOL = re.compile(
    r"""[ \t]*(?:
        (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign><=|>=|==|!=|[-+*/^(),<>])
    )[ \t]*""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class ParsedFormula:
    """A formula that was read; ``bands`` are the names in it, in order of appearance.

    ``tree`` holds only operators, comparisons and functions of this module, names and constants
    (``int`` or ``float``); ``a ^ b`` is ``ast.Pow``.
    """

    text: str
    bands: Tuple[str, ...]
    tree: ast.expr


def parse_formula(text: str) -> ParsedFormula:
    """Read a formula.

    ``^`` is the power, binds tighter than a minus before it, and groups from the right. A
    comparison is 1 where it holds, else 0; ``a < b < c`` is both at once. ``log`` is the natural
    logarithm, and ``where(condition, a, b)`` is ``a`` where the condition is not 0.

    Raises:
        InvalidRequestError: ``text`` is longer or deeper than formulas are, or holds anything
            else.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidRequestError(
            f"The formula {shortened(text)} is longer than {MAX_LENGTH} characters; shorten it."
        )
    symbols = _symbols(text)
    # Python writes ^ as **; joined with blanks, two signs never become another one.
    source = " ".join("**" if symbol == "^" else symbol for symbol in symbols)
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidRequestError(
            f"The formula {shortened(text)} cannot be read; use {GRAMMAR}."
        ) from error
    bands: Dict[str, None] = {}
    _check(tree, text, bands, 0)
    return ParsedFormula(text, tuple(bands), tree)


def _symbols(text: str) -> List[str]:
    symbols = []
    position = depth = 0
    while position < len(text):
        match = _SYMBOL.match(text, position)
        if match is None:
            raise _not_allowed(text)
        symbol = match[0].strip()
        depth += {"(": 1, ")": -1}.get(symbol, 0)
        if depth > MAX_PARENTHESES:
            raise _too_deep(text)
        symbols.append(symbol)
        position = match.end()
    if "**" in "".join(symbols):
        raise InvalidRequestError(
            f"The formula {shortened(text)} cannot be read; "
            "write ^ for a power and * for a product."
        )
    return symbols


def _check(node: ast.expr, text: str, bands: Dict[str, None], depth: int) -> None:
    """Check that ``node`` and all below it are of the grammar; note the bands in order."""
    if depth > MAX_DEPTH:
        raise _too_deep(text)
    if isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise InvalidRequestError(
                f"The formula {shortened(text)} names {node.id} without its values; "
                f"write {node.id}(…)."
            )
        bands[node.id] = None
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):  # and not bool
        _check_number(node.value, text)  # type: ignore[arg-type]
    else:
        for part in _parts(node, text):
            _check(part, text, bands, depth + 1)


def _check_number(value: Union[int, float], text: str) -> None:
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        is_finite = False
    if not is_finite:
        raise InvalidRequestError(
            f"The formula {shortened(text)} holds a number that is too large; make it smaller."
        )


def _parts(node: ast.expr, text: str) -> List[ast.expr]:
    """What an operation works on."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, OPERATORS):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return [node.operand]
    if isinstance(node, ast.Compare) and all(isinstance(op, COMPARISONS) for op in node.ops):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _arguments(node.func.id, node.args, text)
    raise _not_allowed(text)


def _arguments(function: str, arguments: List[ast.expr], text: str) -> List[ast.expr]:
    if function not in FUNCTIONS:
        known = ", ".join(FUNCTIONS)
        raise InvalidRequestError(
            f"The formula {shortened(text)} has the unknown function {function}; known are {known}."
        )
    wanted = FUNCTIONS[function]
    if len(arguments) != wanted if wanted else len(arguments) < 2:
        counts = {None: "two values or more", 1: "one value", 3: "a condition and two values"}
        raise InvalidRequestError(
            f"The formula {shortened(text)} gives {function} {len(arguments)}; "
            f"it takes {counts[wanted]}."
        )
    return arguments


def _not_allowed(text: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The formula {shortened(text)} holds something else than {GRAMMAR}; remove it."
    )


def _too_deep(text: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The formula {shortened(text)} nests too deeply; write it with fewer parts."
    )
