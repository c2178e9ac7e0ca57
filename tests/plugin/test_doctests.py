"""The examples in the docstrings of the plug-in."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import naslib_gennas.plugin

NEEDS_NASLIB = "naslib_predictor"
NAMES = [module.name for module in pkgutil.iter_modules(naslib_gennas.plugin.__path__)]


@pytest.mark.parametrize("name", [name for name in NAMES if name != NEEDS_NASLIB])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"naslib_gennas.plugin.{name}")).failed == 0


@pytest.mark.naslib
def test_examples_with_naslib(naslib_home):
    assert NEEDS_NASLIB in NAMES
    assert doctest.testmod(importlib.import_module(f"naslib_gennas.plugin.{NEEDS_NASLIB}")).failed == 0


@pytest.mark.naslib
def test_the_page_about_naslib(fresh_python):
    """Its Python, as it stands there."""
    text = (Path(__file__).parents[2] / "docs" / "naslib.md").read_text(encoding="utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        assert float(fresh_python(code).split()[-1]) < 0
