"""The small languages of FILTER and MONTHS: parsing, and checking a scene's properties.

FILTER is ``property op value`` joined by ``and``; op is ``=``, ``!=``, ``<``, ``<=``, ``>``,
``>=``, ``in (value, value)`` or ``like`` (``%`` any characters, ``_`` one). A quoted value is text;
an unquoted one is a number where the scene's property is a number, else text.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Set, Tuple, Union

from .errors import InvalidRequestError
from .text_length import check_length, shortened

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<operator><=|>=|!=|=|<|>)
      | (?P<mark>[(),])
      | (?P<word>[^\s'"<>=!(),]+)
    )""",
    re.VERBOSE,
)
ORDERINGS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPERATORS = "= != < <= > >=, in or like"


@dataclass(frozen=True)
class FilterValue:
    """A value as written, without its quotes."""

    text: str
    quoted: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it may mean a number: unquoted, and written as one."""
        return not self.quoted and NUMBER.fullmatch(self.text) is not None


@dataclass(frozen=True)
class Comparison:
    """One ``property op value``; only ``in`` has more than one value."""

    property: str
    operator: str
    values: Tuple[FilterValue, ...]

    def __str__(self) -> str:
        words = [_quote(value.text) if value.quoted else value.text for value in self.values]
        value = f"({', '.join(words)})" if self.operator == "in" else words[0]
        return f"{self.property} {self.operator} {value}"

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Whether a scene with these properties is kept; one without the property is not.

        A list or an object compares with nothing. True and false are the texts ``true`` and
        ``false``, in any case.
        """
        found = properties.get(self.property)
        if found is None or isinstance(found, (list, dict)):
            return False
        if self.operator == "!=":
            return not _equals(found, self.values[0])
        if self.operator in ("=", "in"):
            return any(_equals(found, value) for value in self.values)
        if self.operator == "like":
            return isinstance(found, str) and _is_like(found, self.values[0].text)
        return _is_ordered(found, self.operator, self.values[0])


def parse_filter(text: str) -> Tuple[Comparison, ...]:
    """The comparisons in FILTER, all of which must hold; none for an empty text.

    Raises:
        InvalidRequestError: it does not parse; the message says where and what is expected. Or it
            is too long.

    Example:
        >>> parse_filter("mgrs:grid_square = GQ and s2:nodata_pixel_percentage < 50")
    """
    check_length(text, "FILTER")
    tokens = _Tokens(text)
    comparisons: List[Comparison] = []
    while not tokens.at_end:
        if comparisons:
            tokens.take_keyword("and", "and between two comparisons")
        comparisons.append(_parse_comparison(tokens))
    return tuple(comparisons)


def parse_months(text: str) -> Tuple[int, ...]:
    """The month numbers in MONTHS, in calendar order; none for an empty text.

    ``5-9`` is May to September, ``11-2`` November to February, ``6,7,8`` those three.

    Raises:
        InvalidRequestError: it does not parse, or is too long.
    """
    check_length(text, "MONTHS")
    if not text.strip():
        return ()
    months: Set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,2})\s*(?:[-–]\s*([0-9]{1,2})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not (1 <= first <= 12 and 1 <= last <= 12):
            raise InvalidRequestError(
                f"MONTHS: {shortened(part.strip())} is no month or range of months; "
                "write numbers from 1 to 12, such as 5-9, 11-2 or 6,7,8."
            )
        months.update((first - 1 + step) % 12 + 1 for step in range((last - first) % 12 + 1))
    return tuple(sorted(months))


def _parse_comparison(tokens: _Tokens) -> Comparison:
    name = tokens.take_word("the name of a property")
    symbol = tokens.take_operator()
    if symbol != "in":
        return Comparison(name, symbol, (tokens.take_value(),))
    tokens.take_mark("(", "( after in")
    values = [tokens.take_value()]
    while tokens.take_mark(",)", ", or ) in the list of values") == ",":
        values.append(tokens.take_value())
    return Comparison(name, symbol, tuple(values))


class _Tokens:
    """The words and marks of a FILTER, taken one by one from the left."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._text)

    def take_keyword(self, keyword: str, expected: str) -> None:
        kind, token = self._peek(expected)
        if kind != "word" or token.lower() != keyword:
            raise self._error(expected)
        self._advance(expected)

    def take_word(self, expected: str) -> str:
        if self._peek(expected)[0] != "word":
            raise self._error(expected)
        return self._advance(expected)

    def take_operator(self) -> str:
        kind, token = self._peek(OPERATORS)
        if kind != "operator" and token.lower() not in ("in", "like"):
            raise self._error(OPERATORS)
        return self._advance(OPERATORS).lower()

    def take_value(self) -> FilterValue:
        expected = "a value"
        kind, token = self._peek(expected)
        if kind not in ("word", "quoted"):
            raise self._error(expected)
        self._advance(expected)
        if kind == "word":
            return FilterValue(token)
        return FilterValue(token[1:-1].replace(token[0] * 2, token[0]), quoted=True)

    def take_mark(self, marks: str, expected: str) -> str:
        kind, token = self._peek(expected)
        if kind != "mark" or token not in marks:
            raise self._error(expected)
        return self._advance(expected)

    def _match(self, expected: str) -> re.Match[str]:
        match = TOKEN.match(self._text, self._position)
        if self.at_end or match is None:
            raise self._error(expected)
        return match

    def _peek(self, expected: str) -> Tuple[str, str]:
        match = self._match(expected)
        kind = match.lastgroup or ""
        return kind, match[kind]

    def _advance(self, expected: str) -> str:
        match = self._match(expected)
        self._position = match.end()
        return match[match.lastgroup or 0]

    def _error(self, expected: str) -> InvalidRequestError:
        rest = self._text[self._position :]
        skipped = len(rest) - len(rest.lstrip())
        found = f"{rest.strip()[:30]!r} was found" if rest.strip() else "it ends"
        return InvalidRequestError(
            f"FILTER does not parse at character {self._position + skipped + 1}: "
            f"expected {expected}, but {found}; write it like "
            "grid:code = MGRS-33TWM and s2:nodata_pixel_percentage < 50."
        )


def _equals(found: Any, value: FilterValue) -> bool:
    if isinstance(found, bool):
        return str(found).lower() == value.text.lower()
    if isinstance(found, (int, float)):
        return value.is_number and found == _number(value.text)
    return bool(found == value.text)


def _is_ordered(found: Any, symbol: str, value: FilterValue) -> bool:
    if isinstance(found, bool):
        return False
    if isinstance(found, (int, float)):
        return value.is_number and bool(ORDERINGS[symbol](found, _number(value.text)))
    return bool(ORDERINGS[symbol](found, value.text))


def _number(text: str) -> Union[int, float]:
    # Whole numbers stay exact however long they are: identifiers may have 18 digits.
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else float(text)


def _is_like(found: str, pattern: str) -> bool:
    # Between two % a part is looked for where it comes first, and never again: one expression with
    # several ``.*`` would try all places of all parts.
    first, *parts = (_part_expression(part) for part in pattern.split("%"))
    if not parts:
        return re.fullmatch(first, found, re.DOTALL) is not None
    match = re.compile(first, re.DOTALL).match(found)
    for part in parts[:-1]:
        match = match and re.compile(part, re.DOTALL).search(found, match.end())
    last = len(pattern) - pattern.rindex("%") - 1
    start = len(found) - last
    if match is None or start < match.end():
        return False
    return re.compile(parts[-1], re.DOTALL).fullmatch(found, start) is not None


def _part_expression(part: str) -> str:
    """An expression for a part of a pattern of ``like`` that has no ``%``."""
    return "".join("." if letter == "_" else re.escape(letter) for letter in part)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
