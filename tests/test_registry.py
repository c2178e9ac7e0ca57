"""Registries: decorators, duplicates, near matches, and entry points of other packages."""

from __future__ import annotations

import sys
import textwrap
import warnings

import pytest

from naslib_gennas.errors import BrokenPackageError, InputError, UnknownNameError
from naslib_gennas.registry import Registry, unknown
from naslib_gennas.spaces import SPACES

GROUP = "naslib_gennas.tests_of_registries"
MODULE = "package_of_this_registry_test"
REGISTRY: Registry[object]  # the module of the fake package adds to it


@pytest.fixture
def registry():
    """An empty one, where modules of fake packages find it."""
    module = sys.modules[__name__]
    module.REGISTRY = Registry("thing", GROUP)
    sys.modules["registry_of_this_test"] = module
    yield module.REGISTRY
    for name in [name for name in sys.modules if name.startswith(MODULE) or name == "registry_of_this_test"]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes an installed distribution: modules, and entry points."""

    def write(modules: dict[str, str], points: dict[str, str], group: str = GROUP):
        for name, code in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        info = tmp_path / "fake_things-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-things\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(tmp_path)

    return write


GOOD = """
    from registry_of_this_test import REGISTRY
    @REGISTRY.register("triangle")
    def triangle():
        return 3
    """


def test_names_and_duplicates():
    shapes = Registry("shape")
    shapes.register("square")(4)
    shapes.alias("quadrat", "square")
    assert shapes["square"] == shapes["quadrat"] == 4 and "quadrat" in shapes and "circle" not in shapes
    assert shapes.names() == ["square"] == shapes.names("sq*") and shapes.names("c*") == []
    assert shapes.holds(4) and not shapes.holds(5)
    for taken in ("square", "quadrat"):
        with pytest.raises(ValueError, match="already registered"):
            shapes.register(taken)(5)
        with pytest.raises(ValueError, match="already registered"):
            shapes.alias(taken, "square")
    with pytest.raises(UnknownNameError, match="no shape is called 'sqare'; did you mean square"):
        shapes["sqare"]
    assert unknown("shape", "x", []).endswith("there are: none")


@pytest.mark.parametrize("ask", [lambda r: r["triangle"](), lambda r: "triangle" in r and 3, lambda r: len(r.names())])
def test_entry_points_are_imported_when_a_name_is_not_there(registry, package, ask):
    registry.register("square")(lambda: 4)
    registry.register("circle")(lambda: 0)
    package({MODULE: GOOD}, {"triangle": f"{MODULE}:triangle"})
    assert registry["square"]() == 4 and MODULE not in sys.modules
    assert ask(registry) == 3
    assert registry.names() == ["square", "circle", "triangle"]


def test_entry_points_are_imported_once(registry, package):
    counted = (
        GOOD
        + """
    import builtins
    builtins.imports_of_this_test = getattr(builtins, "imports_of_this_test", 0) + 1
    """
    )
    package({MODULE: counted}, {"triangle": f"{MODULE}:triangle", "other": MODULE})
    import builtins

    try:
        for _ in range(2):
            assert registry.names() == ["triangle"]
            with pytest.raises(UnknownNameError, match="no thing is called 'other'; there are: triangle"):
                registry["other"]
        assert builtins.imports_of_this_test == 1
    finally:
        del builtins.imports_of_this_test


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_package_that_nobody_has", "No module named 'a_package_that_nobody_has'"),
        ("raise RuntimeError('first line\\nsecond line')", "first line"),
        ("raise ValueError", "ValueError"),
        ("def other(): ...", "has no attribute 'broken'"),
        ("this is no Python", "invalid syntax"),
        (GOOD.replace("triangle", "square"), "thing 'square' is already registered"),
    ],
)
def test_a_package_that_cannot_be_imported_breaks_its_own_name_only(registry, package, code, reason):
    registry.register("square")(lambda: 4)
    points = {"broken": f"{MODULE}_broken:broken", "triangle": f"{MODULE}:triangle"}
    package({MODULE: GOOD, f"{MODULE}_broken": code}, points)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry["triangle"]() == 3 and registry["square"]() == 4 and "broken" not in registry
    with pytest.raises(BrokenPackageError) as caught:
        registry["broken"]
    sentence = str(caught.value)
    assert isinstance(caught.value, InputError) and "\n" not in sentence and "second line" not in sentence
    assert sentence.startswith(f"the thing 'broken' of {MODULE}_broken:broken cannot be imported: ")
    assert reason in sentence and sentence.endswith("repair or uninstall the package that it belongs to")
    with pytest.warns(UserWarning, match="the thing 'broken' of"):
        assert registry.names() == ["square", "triangle"]
    with pytest.raises(UnknownNameError, match="did you mean triangle"):
        registry["triangel"]


def test_a_registry_without_a_group_imports_nothing(registry, package):
    package({MODULE: GOOD}, {"triangle": f"{MODULE}:triangle"})
    assert "triangle" not in Registry("thing") and MODULE not in sys.modules


def test_spaces_of_other_packages(package, monkeypatch):
    code = """
    from naslib_gennas.spaces import SPACES, NASBench201
    @SPACES.register("space_of_this_test")
    class Mine(NASBench201):
        name = "space_of_this_test"
    """
    monkeypatch.setattr(SPACES, "_entries", dict(SPACES._entries))
    monkeypatch.setattr(SPACES, "_complete", False)
    package({MODULE: code}, {"space_of_this_test": f"{MODULE}:Mine"}, group="naslib_gennas.spaces")
    try:
        assert SPACES["space_of_this_test"]().size == 15_625
    finally:
        sys.modules.pop(MODULE, None)
