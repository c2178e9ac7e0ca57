"""Texts of others: JSON and YAML that may hold anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any


class RepeatedKeyError(ValueError):
    """A mapping gives one key twice, and nobody can tell which value is meant."""


def mapping(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The dictionary of ``pairs``; RepeatedKeyError for a key that is given twice."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKeyError(f"the key {str(key)[:80]!r} is given twice")
        found[key] = value
    return found


def parse_json(text: str | bytes) -> Any:
    """The value of ``text``; ValueError, and nothing else, for a text that is no JSON, or gives a key twice.

    >>> parse_json('{"steps": 10, "steps": 20}')
    Traceback (most recent call last):
    naslib_gennas.texts.RepeatedKeyError: the key 'steps' is given twice
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(text, object_pairs_hook=mapping)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@cache
def _with_unique_keys() -> Any:
    """The safe loader of PyYAML, which raises RepeatedKeyError for a key that is given twice."""
    import yaml

    class UniqueKeys(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            known = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in known:
                    line = key.start_mark.line + 1
                    raise RepeatedKeyError(f"the key {key.value[:80]!r} is given twice in line {line}")
                known.add(key.value)
            return super().construct_mapping(node, deep)

    return UniqueKeys


def parse_yaml(text: str) -> Any:
    """The value of ``text``; ValueError, and nothing else, for a text that is no YAML of plain values.

    A key that is given twice is an error, where YAML libraries take the last.

    >>> parse_yaml("steps: 10\\nsteps: 20")
    Traceback (most recent call last):
    naslib_gennas.texts.RepeatedKeyError: the key 'steps' is given twice in line 2
    >>> parse_yaml("a: !!python/name:os.system ''")
    Traceback (most recent call last):
    ValueError: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system' in line 1
    """
    import yaml

    try:
        return yaml.load(text, _with_unique_keys())  # a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"{getattr(error, 'problem', None) or str(error).splitlines()[0]}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (TypeError, OverflowError, AttributeError) as error:  # of PyYAML, such as for keys that are mappings
        raise ValueError(f"{error}") from None
