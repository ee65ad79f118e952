"""Spectral index formulas, evaluated on arrays: a walk over the parsed tree, never run as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np

from ...bridge import formula as bridge_formula

# Reflectances lie on a lattice of 1e-4 and the coefficients have few decimals, so a denominator
# that is not zero is larger than this, a product of three bands too; what is smaller is a zero
# with rounding on it.
ZERO_DENOMINATOR = 1e-12

Operation = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _finite(values: np.ndarray) -> np.ndarray:
    # Made missing at once: an infinity may become a number again further up, in max or 1 / x.
    return np.where(np.isfinite(values), values, np.nan)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    safe = np.where(np.abs(denominator) < ZERO_DENOMINATOR, np.nan, denominator)
    return np.asarray(numerator / safe)


def _power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    # numpy has x ** 0 = 1 ** x = 1 for a missing x too.
    missing = np.isnan(base) | np.isnan(exponent)
    return np.where(missing, np.nan, _finite(np.power(base, exponent)))


def _where(condition: np.ndarray, if_true: np.ndarray, if_false: np.ndarray) -> np.ndarray:
    chosen = np.where(condition != 0, if_true, if_false)
    return np.where(np.isnan(condition), np.nan, chosen)


OPERATIONS: Mapping[type[ast.operator], Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.Pow: _power,
}
COMPARISONS: Mapping[type[ast.cmpop], Operation] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: Mapping[str, Callable[..., np.ndarray]] = {
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": lambda values: _finite(np.log(values)),
    "exp": lambda values: _finite(np.exp(values)),
    "where": _where,
}


class Formula(bridge_formula.ParsedFormula):
    """A parsed formula that can be evaluated."""

    def evaluate(self, reflectances: Mapping[str, np.ndarray]) -> np.ndarray:
        """The formula on float64 arrays of one shape.

        NaN where a band that is used is NaN (also one that is only compared), where a denominator
        is zero, and where a root, a logarithm or a power has no finite value.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(self.tree, reflectances))


def parse_formula(text: str) -> Formula:
    """Parse a formula; see ``core/bridge/formula.py`` for what it may hold.

    Raises:
        InvalidRequestError: anything else is in ``text``.
    """
    parsed = bridge_formula.parse_formula(text)
    return Formula(parsed.text, parsed.bands, parsed.tree)


def _evaluate(node: ast.expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BinOp):
        operation = OPERATIONS[type(node.op)]
        return operation(_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        operand = _evaluate(node.operand, values)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Compare):
        return _compare(node, values)
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)  # nosec B101: the parser lets nothing else through
        return FUNCTIONS[node.func.id](*(_evaluate(part, values) for part in node.args))
    assert isinstance(node, ast.Constant)  # nosec B101: the parser lets nothing else through
    return np.float64(node.value)  # type: ignore[arg-type, return-value]


def _compare(node: ast.Compare, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """1 where all comparisons of the chain hold, else 0; NaN where a value is missing."""
    operands = [_evaluate(part, values) for part in (node.left, *node.comparators)]
    holds = reduce(
        operator.and_,
        (
            COMPARISONS[type(comparison)](operands[position], operands[position + 1])
            for position, comparison in enumerate(node.ops)
        ),
    )
    missing = reduce(operator.or_, map(np.isnan, operands))
    return np.where(missing, np.nan, holds)
