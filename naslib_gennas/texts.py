"""Texts of others: JSON and YAML that may hold anything."""

from __future__ import annotations

import json
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


def parse_yaml(text: str) -> Any:
    """The value of ``text``; ValueError, and nothing else, for a text that is no YAML of plain values.

    >>> parse_yaml("a: !!python/name:os.system ''")
    Traceback (most recent call last):
    ValueError: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark and getattr(error, "context_mark", None) else ""
        raise ValueError(f"{getattr(error, 'problem', None) or str(error).splitlines()[0]}{where}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (TypeError, OverflowError, AttributeError) as error:  # of PyYAML, such as for keys that are mappings
        raise ValueError(f"{error}") from None
