"""Texts of others: JSON and YAML that may hold anything."""

from __future__ import annotations

import json
from functools import cache
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of ``text``; ValueError, and nothing else, for a text that is no JSON.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@cache
def _with_unique_keys() -> Any:
    """The safe loader of PyYAML, for which a key twice is an error."""
    import yaml

    class UniqueKeys(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            known = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in known:
                    problem = f"the key {key.value[:80]!r} is given twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                known.add(key.value)
            return super().construct_mapping(node, deep)

    return UniqueKeys


def parse_yaml(text: str) -> Any:
    """The value of ``text``; ValueError, and nothing else, for a text that is no YAML of plain values.

    A key that is given twice is an error, where YAML libraries take the last.

    >>> parse_yaml("steps: 10\\nsteps: 20")
    Traceback (most recent call last):
    ValueError: the key 'steps' is given twice in line 2
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
