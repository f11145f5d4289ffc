"""A formula for the weight of an interaction over columns of its table: parsed, and never run as code.

``min(seconds / duration, 1)`` is read by Python's parser, as far as that makes a tree of it, and computed here.
"""

import ast
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

_LONGEST = 1000
_DEEPEST = 50

_OPERATORS: dict[type[ast.AST], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_SEVERAL = ("min", "max")
_ONE = ("log", "log1p", "sqrt")

_ADVICE = (
    "Use numbers, names of columns, + - * / and parentheses, min, max, log, log1p and sqrt; a column whose name is not "
    'a plain word is written in quotes: "watch time" / duration'
)

Values = NDArray[np.float64]
Fault = tuple[str, NDArray[np.bool_]]
"""What is wrong with a row, and which rows it is wrong with."""


@dataclass(frozen=True)
class Term:
    """A number, a column, or an operation on other terms.

    Attributes:
        kind: "number", "column", or the name of the operation.
        number: Of a number.
        column: Of a column.
        operands: Of an operation.
    """

    kind: str
    number: float = 0.0
    column: str = ""
    operands: "tuple[Term, ...]" = ()

    def columns(self) -> Iterator[str]:
        """The columns, as often as they occur."""
        if self.kind == "column":
            yield self.column
        for operand in self.operands:
            yield from operand.columns()


@dataclass(frozen=True)
class WeightFormula:
    """A formula over the columns of a table.

    Attributes:
        text: As it was written.
        term: What it says.
        columns: The columns that it takes, each once.
    """

    text: str
    term: Term
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(dict.fromkeys(self.term.columns())))

    def weights(self, values: Mapping[str, Values], rows: int) -> tuple[Values, list[Fault]]:
        """The value of every row.

        Args:
            values: By column, float64 ``[rows]``.
            rows: Number of rows.

        Returns:
            float64 ``[rows]``, and what is undefined in which rows: a division by zero counts even where the value of
            the whole is a number, as that of ``min(1 / 0, 1)`` would be.
        """
        faults: list[Fault] = []
        with np.errstate(all="ignore"):
            found = _value(self.term, values, faults)
        return np.broadcast_to(found, (rows,)), [(what, np.broadcast_to(where, (rows,))) for what, where in faults]


def weight_formula(text: str, columns: Mapping[str, str]) -> WeightFormula:
    """Parses a formula.

    Args:
        text: The name of a column, or a formula.
        columns: The columns that it may name, and what they are called in the table.

    Returns:
        The formula, over the names in the table.

    Raises:
        InvalidInputError: It is neither, or names a column that is not there.
    """
    if text in columns:
        return WeightFormula(text, Term("column", column=columns[text]))
    if len(text) > _LONGEST:
        raise _refusal(text[:40] + "...", f"has {len(text):,} characters, expected {_LONGEST:,} at most")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's warnings of odd texts
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise _refusal(text, f"is not a formula ({reason})") from error
    return WeightFormula(text, _Parser(text, columns).term(tree))


@dataclass(frozen=True)
class _Parser:
    text: str
    columns: Mapping[str, str]

    def term(self, node: ast.expr, depth: int = 0) -> Term:
        """The term of a node of Python's tree; everything that is not named here is refused."""
        if depth > _DEEPEST:
            raise _refusal(self.text, f"is nested more than {_DEEPEST} times")
        if isinstance(node, ast.Name):
            return self._column(node.id)
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            operand = self.term(node.operand, depth + 1)
            return operand if isinstance(node.op, ast.UAdd) else Term("negative", operands=(operand,))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            operands = (self.term(node.left, depth + 1), self.term(node.right, depth + 1))
            return Term(_OPERATORS[type(node.op)], operands=operands)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id, depth)
        raise self._unknown(node)

    def _constant(self, node: ast.Constant) -> Term:
        if isinstance(node.value, str):
            return self._column(node.value)
        if type(node.value) not in (int, float):
            raise self._unknown(node)
        try:
            number = float(node.value)  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise _refusal(self.text, "has a number that is not finite")
        return Term("number", number=number)

    def _column(self, name: str) -> Term:
        if name not in self.columns:
            found = ", ".join(list(self.columns)[:20])
            raise InvalidInputError(
                f'weight is "{self.text}", but there is no column "{name}"; the columns are {found}. Name one of these.'
            )
        return Term("column", column=self.columns[name])

    def _call(self, node: ast.Call, name: str, depth: int) -> Term:
        if name not in _SEVERAL + _ONE or node.keywords:
            raise self._unknown(node)
        count = len(node.args)
        if name in _SEVERAL and count < 2:
            raise _refusal(self.text, f"gives {name} {count} numbers, expected two or more")
        if name in _ONE and count != 1:
            raise _refusal(self.text, f"gives {name} {count} numbers, expected one")
        return Term(name, operands=tuple(self.term(each, depth + 1) for each in node.args))

    def _unknown(self, node: ast.expr) -> InvalidInputError:
        part = ast.get_source_segment(self.text.strip(), node) or type(node).__name__
        return _refusal(self.text, f'has "{part}", which is not allowed')


def _refusal(text: str, problem: str) -> InvalidInputError:
    return InvalidInputError(f'weight is "{text}": it {problem}. {_ADVICE}.'.replace("it is", "that is", 1))


def _value(term: Term, values: Mapping[str, Values], faults: list[Fault]) -> Any:
    if term.kind == "number":
        return np.float64(term.number)
    if term.kind == "column":
        return values[term.column]
    operands = [_value(operand, values, faults) for operand in term.operands]
    if term.kind in _UNDEFINED:
        what, is_undefined = _UNDEFINED[term.kind]
        faults.append((what, np.asarray(is_undefined(operands[-1]))))
    found = operands[0]
    if len(operands) == 1:
        return _FUNCTIONS[term.kind](found)
    for other in operands[1:]:
        found = _FUNCTIONS[term.kind](found, other)
    return found


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "negative": np.negative,
    "min": np.minimum,
    "max": np.maximum,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
}

_UNDEFINED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "/": ("division by zero", lambda divisor: divisor == 0),
    "log": ("logarithm of 0 or less", lambda value: value <= 0),
    "log1p": ("logarithm of 0 or less", lambda value: value <= -1),
    "sqrt": ("root of a negative number", lambda value: value < 0),
}
"""What is undefined, by the last operand."""
