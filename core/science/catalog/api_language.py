"""Comparisons in the languages of STAC APIs: the query extension, CQL2 JSON and CQL2 text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ...bridge.scene_filter import Comparison, FilterValue

# Not every server with the query extension knows its "in".
QUERY_OPERATORS = {"=": "eq", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def query(comparisons: Sequence[Comparison]) -> dict[str, dict[str, Any]]:
    """The comparisons as the body of the query extension.

    It has room for one value of an operator and a property; what does not fit, and ``in``, is left
    to the client's own check. So it may be empty.
    """
    body: dict[str, dict[str, Any]] = defaultdict(dict)
    for comparison in comparisons:
        name = QUERY_OPERATORS.get(comparison.operator)
        if name is not None:
            body[comparison.property].setdefault(name, _json_value(comparison.values[0]))
    return dict(body)


def cql2_filter(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The comparisons as one CQL2 JSON expression of the class Basic CQL2."""
    arguments = [_cql2(comparison) for comparison in comparisons]
    return arguments[0] if len(arguments) == 1 else {"op": "and", "args": arguments}


def cql2_text(comparisons: Sequence[Comparison]) -> str:
    """The same expression as text, for searches by GET."""
    return " AND ".join(_cql2_text(comparison) for comparison in comparisons)


def _cql2_text(comparison: Comparison) -> str:
    operator = "=" if comparison.operator == "in" else comparison.operator
    name = comparison.property.replace('"', '""')
    alternatives = [f'"{name}" {operator} {_text_value(value)}' for value in comparison.values]
    joined = " OR ".join(alternatives)
    return f"({joined})" if len(alternatives) > 1 else joined


def _text_value(value: FilterValue) -> str:
    quoted = value.text.replace("'", "''")
    return str(float(value.text)) if value.is_number else f"'{quoted}'"


def _cql2(comparison: Comparison) -> dict[str, Any]:
    # "in" belongs to a class that fewer servers have: it is written as alternatives.
    operator = "=" if comparison.operator == "in" else comparison.operator
    alternatives: list[dict[str, Any]] = [
        {"op": operator, "args": [{"property": comparison.property}, _json_value(value)]}
        for value in comparison.values
    ]
    return alternatives[0] if len(alternatives) == 1 else {"op": "or", "args": alternatives}


def _json_value(value: FilterValue) -> str | float:
    return float(value.text) if value.is_number else value.text
