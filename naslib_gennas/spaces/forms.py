"""Forms in which users of a benchmark write its architectures, read as data: nothing in a text is ever run.

>>> literal("Genotype(normal=[('skip_connect', 0)], normal_concat=range(2, 4))")
{'normal': [('skip_connect', 0)], 'normal_concat': (2, 3)}
>>> literal("(array([[0, 1], [0, 0]]), ['input', 'output'])")
([[0, 1], [0, 0]], ['input', 'output'])
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ..texts import RepeatedKeyError, mapping, parse_json, parse_yaml

LONGEST = 100_000  # characters of a text
LONGEST_RANGE = 1000
POSITIONAL = {"Genotype": ("normal", "normal_concat", "reduce", "reduce_concat"), "ModelSpec": ("matrix", "ops")}
"""Names of the arguments of constructors that are written without them."""
TRANSPARENT = ("array", "asarray", "list", "tuple", "dict", "OrderedDict", "int", "float", "tensor")
"""Calls that stand for their first argument; so do numpy's numbers, such as ``np.int64(4)``."""


@dataclass(frozen=True)
class Form:
    """A way to write architectures of a space.

    Attributes:
        name: whose it is, for a list.
        example: a text of it.
        read: value of a text, see :func:`literal` -> architecture; None for a value of another form, ValueError
            saying what is wrong for a broken one of this.
    """

    name: str
    example: str
    read: Callable[[Any], Optional[Any]]


def literal(text: str) -> Any:
    """The value of JSON, of a Python literal with the constructors above, or of a YAML mapping.

    ValueError for any other text.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the text has {len(text)} characters, at most {LONGEST} are read")
    for reader in (parse_json, _python, _yaml):
        try:
            return reader(text)
        except RepeatedKeyError:
            raise
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    raise ValueError("the text is neither JSON nor a Python literal nor a YAML mapping")


def whole_numbers(value: Any, count: Optional[int], highest: int, what: str) -> Optional[tuple[int, ...]]:
    """``value`` if it is a list of whole numbers, else None; ValueError for a wrong count or one out of range.

    >>> whole_numbers([1, 0], 2, highest=3, what="operation")
    (1, 0)
    """
    if not value or not all_whole(value):
        return None
    if count is not None and len(value) != count:
        raise ValueError(f"it has {len(value)} numbers, expected {count}")
    check_range(value, highest, what)
    return tuple(value)


def all_whole(value: Any) -> bool:
    """A list or a tuple of whole numbers only."""
    return is_list(value) and all(map(_is_whole, value))


def check_range(numbers: Iterable[Any], highest: int, what: str) -> None:
    """ValueError unless all are whole numbers from 0 to ``highest``; ``what`` they are.

    >>> check_range([1, 5], highest=4, what="operation")
    Traceback (most recent call last):
    ValueError: operation 1 is 5, expected 0 to 4
    """
    for place, number in enumerate(numbers):
        if not _is_whole(number) or not 0 <= number <= highest:
            raise ValueError(f"{what} {place} is {number}, expected 0 to {highest}")


def as_json(value: Any) -> str:
    """The JSON of a literal; ValueError if it holds what JSON has no way to write.

    >>> as_json({"a": (1, 2)})
    '{"a": [1, 2]}'
    """
    try:
        return json.dumps(value)
    except TypeError:
        raise ValueError("it holds something else than numbers, names, lists and mappings") from None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_list(value: Any) -> bool:
    """A list or a tuple."""
    return isinstance(value, (list, tuple))


def _python(text: str) -> Any:
    return _value(ast.parse(text.strip(), mode="eval").body)


def _yaml(text: str) -> Any:
    found = parse_yaml(text)
    if not isinstance(found, dict):
        raise ValueError("no mapping")
    return found


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(map(_value, node.elts))
    if isinstance(node, ast.List):
        return list(map(_value, node.elts))
    if isinstance(node, ast.Dict) and None not in node.keys:
        return mapping((_value(key), _value(value)) for key, value in zip(node.keys, node.values) if key is not None)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand)
        if isinstance(number, (int, float)):
            return -number
    if isinstance(node, ast.Call):
        return _called(_name(node.func), [_value(x) for x in node.args], node.keywords)
    raise ValueError("it holds more than numbers, texts, lists and mappings")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError("something is called that has no name")


def _called(name: str, values: Sequence[Any], keywords: Sequence[ast.keyword]) -> Any:
    """What a constructor's text stands for."""
    if name == "range" and 1 <= len(values) <= 3 and all(isinstance(value, int) for value in values):
        found = range(*values)
        if len(found) > LONGEST_RANGE:
            raise ValueError("a range is too long")
        return tuple(found)
    if values and (name in TRANSPARENT or name.startswith(("int", "uint", "float"))):
        return dict(values[0]) if name == "OrderedDict" else values[0]
    named = {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg and keyword.arg != "dtype"}
    return {**dict(zip(POSITIONAL.get(name, ()), values)), **named}
