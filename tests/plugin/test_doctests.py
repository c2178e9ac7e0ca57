"""The examples in the docstrings of the plug-in."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

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
