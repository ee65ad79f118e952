"""Spectral index formulas: parsed into a small tree and evaluated on arrays, never run as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..bridge.errors import InvalidRequestError

# Reflectances lie on a lattice of 1e-4 and the coefficients have few decimals, so a denominator
# that is not zero is far larger than this; what is smaller is a zero with rounding on it.
ZERO_DENOMINATOR = 1e-9

Operation = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    denominator = np.asarray(denominator)
    safe = np.where(np.abs(denominator) < ZERO_DENOMINATOR, np.nan, denominator)
    return np.asarray(numerator / safe)


OPERATIONS: Mapping[type[ast.operator], Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
}


@dataclass(frozen=True)
class Formula:
    """A parsed formula; ``bands`` are the names in it, in order of appearance."""

    text: str
    bands: tuple[str, ...]
    tree: ast.expr

    def evaluate(self, reflectances: Mapping[str, np.ndarray]) -> np.ndarray:
        """The formula on float64 arrays of one shape; NaN where a denominator is zero."""
        with np.errstate(invalid="ignore"):
            return np.asarray(_evaluate(self.tree, reflectances))


def parse_formula(text: str) -> Formula:
    """Parse numbers, band names, ``+ - * /`` and parentheses.

    Raises:
        InvalidRequestError: anything else is in ``text``.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidRequestError(
            f"The formula {text!r} cannot be read; use numbers, band names, + - * / and "
            "parentheses."
        ) from error
    bands: dict[str, None] = {}
    _check(tree, text, bands)
    return Formula(text, tuple(bands), tree)


def _check(node: ast.expr, text: str, bands: dict[str, None]) -> None:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        _check(node.left, text, bands)
        _check(node.right, text, bands)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check(node.operand, text, bands)
    elif isinstance(node, ast.Name):
        bands[node.id] = None
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise InvalidRequestError(
            f"The formula {text!r} holds something else than numbers, band names, + - * / and "
            "parentheses; remove it."
        )


def _evaluate(node: ast.expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(node, ast.BinOp):
        operation = OPERATIONS[type(node.op)]
        return operation(_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return -_evaluate(node.operand, values)
    if isinstance(node, ast.Name):
        return values[node.id]
    assert isinstance(node, ast.Constant)  # nosec B101: parse_formula lets nothing else through
    return np.float64(node.value)  # type: ignore[arg-type, return-value]
