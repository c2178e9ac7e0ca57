"""What breaks in NASLib on current Python and its libraries, and the repair of each, in memory only.

A repair looks for the behaviour that breaks, not for a version; on NASLib's own old stack none is needed.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import functools
import json
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import GeneratorType, ModuleType
from typing import Any, Callable

from ..errors import MissingPackageError
from .stub_packages import importable, is_stub, stubbing

Modules = Sequence[ModuleType]  # NASLib's, after its import


class Repair(ABC):
    """One thing that breaks. ``during`` surrounds NASLib's import, ``apply`` follows it."""

    name: str
    why: str  # what happens without the repair

    @abstractmethod
    def needed(self) -> bool:
        """Whether this Python and its packages show the breakage; ImportError if the package is missing."""

    def during(self) -> contextlib.AbstractContextManager[None]:
        """Holds while NASLib is imported."""
        return contextlib.nullcontext()

    @abstractmethod
    def apply(self, modules: Modules) -> bool:
        """Repairs NASLib's ``modules``; returns whether they contain the place that breaks."""


class StubPackages(Repair):
    """Stubs of modules that NASLib imports but that its measures, spaces and search do not need."""

    def __init__(self, name: str, why: str, modules: Sequence[str]):
        self.name, self.why, self.modules = name, why, tuple(modules)
        self.used: set[str] = set()  # packages that NASLib asked for

    def needed(self) -> bool:
        return any(not importable(module) for module in self.modules)

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        with stubbing(m.split(".")[0] for m in self.modules if not importable(m)) as self.used:
            yield

    def apply(self, modules: Modules) -> bool:
        return bool(self.used)


class CollectionsNames(Repair):
    name = "collections-abc"
    why = "Python 3.10 took Iterable and others out of collections: the predictors do not import"
    names = {name: getattr(collections.abc, name) for name in collections.abc.__all__}

    def needed(self) -> bool:
        return not hasattr(collections, "Iterable")

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        added = {name: kind for name, kind in self.names.items() if not hasattr(collections, name)}
        vars(collections).update(added)
        try:
            yield
        finally:
            for name in added:
                delattr(collections, name)

    def apply(self, modules: Modules) -> bool:
        users = [module for module in modules if re.search(r"\bcollections\.Iterable\b", _source(module))]
        return overlay(users, collections, self.names)


class SquaredArgument(Repair):
    name = "sklearn-squared"
    why = "scikit-learn 1.6 removed squared= from mean_squared_error: NASLib turns every correlation into NaN"

    def needed(self) -> bool:
        from sklearn import metrics

        with _no_warnings():
            return _raises(TypeError, lambda: metrics.mean_squared_error([0.0], [1.0], squared=False))

    def apply(self, modules: Modules) -> bool:
        from sklearn import metrics

        def mean_squared_error(*args: Any, squared: bool = True, **kwargs: Any) -> Any:
            error = metrics.mean_squared_error if squared else metrics.root_mean_squared_error
            return error(*args, **kwargs)

        return overlay(modules, metrics, {"mean_squared_error": mean_squared_error})


class SumOfGenerator(Repair):
    name = "numpy-sum-generator"
    why = "numpy 2.4 refuses to sum a generator: counting parameters fails, and with it NASLib's Trainer"

    def needed(self) -> bool:
        import numpy as np

        with _no_warnings():
            numbers: Any = (i for i in (1, 2))
            return _raises(TypeError, lambda: np.sum(numbers))

    def apply(self, modules: Modules) -> bool:
        import numpy as np

        def sum_(values: Any, *args: Any, **kwargs: Any) -> Any:
            return sum(values) if isinstance(values, GeneratorType) else np.sum(values, *args, **kwargs)

        counting = [module for module in modules if _defines(module, "count_parameters_in_MB")]
        return overlay(counting, np, {"sum": sum_})


class RemovedNumpyNames(Repair):
    name = "numpy-removed-names"
    why = "numpy 1.24 removed np.int, and np.row_stack is to follow: SemiNAS and encodings fail when they run"

    @staticmethod
    def _removed() -> dict[str, object]:
        import numpy as np

        with _no_warnings():
            return {old: new for old, new in (("int", int), ("row_stack", np.vstack)) if not hasattr(np, old)}

    def needed(self) -> bool:
        return bool(self._removed())

    def apply(self, modules: Modules) -> bool:
        import numpy as np

        removed = self._removed()
        use = re.compile(rf"\bnp\.({'|'.join(removed)})\b")
        return overlay([module for module in modules if use.search(_source(module))], np, removed)


class PlainHashes(Repair):
    name = "numpy-hash-keys"
    why = "numpy 2 prints np.int64(1) for 1: str(get_hash()) finds no key of NASLib's score tables any more"

    def needed(self) -> bool:
        import numpy as np

        return str((np.int64(1),)) != "(1,)"

    def apply(self, modules: Modules) -> bool:
        names = {module.__name__ for module in modules}
        kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
        spaces: list[Any] = [kind for kind in kinds if kind.__module__ in names and "get_hash" in vars(kind)]
        for kind in spaces:
            kind.get_hash = _returning_plain(kind.get_hash)
        return bool(spaces)


class CellBuilder(Repair):
    name = "archai-nasbench101"
    why = "branch zerocost builds NAS-Bench-101 networks with a missing release of archai: parse() fails"

    def needed(self) -> bool:
        return not importable("archai.algos.nasbench101.model_builder")

    def apply(self, modules: Modules) -> bool:
        users = [module for module in modules if is_stub(vars(module).get("model_builder"))]
        for module in users:
            builder = ModuleType("model_builder")
            vars(builder)["build"] = _build_nasbench101
            vars(module)["model_builder"] = builder
        return bool(users)


class Statistics(Repair):
    name = "tensorwatch"
    why = "NASLib counts params and flops with tensorwatch: without it these two measures fail"

    def needed(self) -> bool:
        return not importable("tensorwatch")

    def apply(self, modules: Modules) -> bool:
        from .model_stats import get_model_stats

        users = [module for module in modules if "get_model_stats" in vars(module)]
        for module in users:
            vars(module)["get_model_stats"] = get_model_stats
        return bool(users)


class JSONNumbers(Repair):
    name = "json-numpy"
    why = "json refuses numpy's numbers: what NASLib's predictor mlp found cannot be written"

    def needed(self) -> bool:
        import numpy as np

        return _raises(TypeError, lambda: json.dumps([np.float32(1)]))

    def apply(self, modules: Modules) -> bool:
        def dump(found: object, file: Any, **settings: Any) -> None:
            json.dump(found, file, **{"default": _number, **settings})

        return overlay([module for module in modules if _defines(module, "PredictorEvaluator")], json, {"dump": dump})


def _number(value: Any) -> Any:
    """One of numpy's as Python's, its arrays as lists; TypeError for anything else."""
    import numpy as np

    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class EncodingNames(Repair):
    name = "encoding-names"
    why = "branch Develop names the encoding of seminas by a word, where its spaces compare with an enumeration"

    def needed(self) -> bool:
        return True  # on every Python

    def apply(self, modules: Modules) -> bool:
        kinds: list[Any] = [vars(module)["EncodingType"] for module in modules if _defines(module, "EncodingType")]
        for kind in kinds:
            kind.__eq__ = lambda self, other: self is other or self.value == other
            kind.__hash__ = lambda self: hash(self.value)
        return True  # without the enumeration, words are compared with words


class Sequences(Repair):
    name = "seminas-sequences"
    why = "PyTorch makes no whole numbers of numpy's floats any more: SemiNAS cannot read architectures"

    def needed(self) -> bool:
        import numpy as np
        import torch

        return _raises(TypeError, lambda: torch.LongTensor([np.float32(1)]))

    def apply(self, modules: Modules) -> bool:
        users = [module for module in modules if _defines(module, "convert_arch_to_seq")]
        for module in users:
            vars(module)["convert_arch_to_seq"] = _returning_integers(vars(module)["convert_arch_to_seq"])
        return bool(users)


REPAIRS: tuple[Repair, ...] = (
    StubPackages(
        "optional-packages",
        "NASLib imports every package that any of its parts ever used: without them it does not import",
        (
            "ConfigSpace", "archai.algos.nasbench101.model_builder", "emcee", "grakel", "lightgbm",
            "matplotlib", "ngboost", "pybnn", "pyro", "pytorch_msssim", "seaborn", "six", "skimage",
            "tensorwatch", "torchvision", "transforms3d", "xgboost",
        ),
    ),
    StubPackages("tkinter", "NASLib imports turtle, and turtle Tk: without Tk no optimizer imports", ("turtle",)),
    StubPackages("distutils", "Python 3.12 has no distutils: NASLib's optimizers do not import", ("distutils",)),
    CollectionsNames(),
    SquaredArgument(),
    SumOfGenerator(),
    RemovedNumpyNames(),
    PlainHashes(),
    CellBuilder(),
    Statistics(),
    JSONNumbers(),
    EncodingNames(),
    Sequences(),
)  # fmt: skip


class Overlay(ModuleType):
    """A module seen through a few replaced names; everything else is the original's."""

    def __init__(self, original: ModuleType):
        super().__init__(original.__name__, original.__doc__)
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_original"], name)


def overlay(modules: Modules, original: ModuleType, names: Mapping[str, object]) -> bool:
    """Lets each of ``modules`` that holds ``original`` as a global see ``names`` in it; True if one does.

    Other users of ``original`` see nothing of it.

    >>> import math
    >>> user = ModuleType("user")
    >>> user.math = math
    >>> overlay([user], math, {"pi": 3}), user.math.pi, user.math.e == math.e, math.pi == 3
    (True, 3, True, False)
    """
    found = False
    for module in modules:
        for key, value in list(vars(module).items()):
            if value is original:
                value = Overlay(original)
                setattr(module, key, value)
            if isinstance(value, Overlay) and value._original is original:
                vars(value).update(names)
                found = True
    return found


def _returning_plain(get_hash: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(get_hash)
    def plain_hash(self: Any) -> Any:
        return _plain(get_hash(self))

    return plain_hash


def _returning_integers(convert: Callable[..., Any]) -> Callable[..., list[int]]:
    @functools.wraps(convert)
    def integers(*args: Any, **kwargs: Any) -> list[int]:
        return [int(number) for number in convert(*args, **kwargs)]

    return integers


def _plain(value: Any) -> Any:
    """``value`` with numpy's numbers as Python's; equal to it and with the same hash."""
    import numpy as np

    if isinstance(value, (tuple, list)):
        return type(value)(_plain(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value


def _build_nasbench101(matrix: Any, ops: Any) -> Any:
    """The network that archai built: 3 stacks of 3 cells, 128 channels, 10 classes."""
    try:
        from nasbench_pytorch.model import ModelSpec, Network
    except ImportError:
        raise MissingPackageError(
            "networks of NAS-Bench-101 need the package nasbench_pytorch; pip install nasbench-pytorch"
        ) from None
    return Network(
        ModelSpec(matrix, ops),
        num_labels=10, in_channels=3, stem_out_channels=128, num_stacks=3, num_modules_per_stack=3,
    )  # fmt: skip


def _source(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return Path(file).read_text(encoding="utf-8", errors="replace") if file and file.endswith(".py") else ""


def _defines(module: ModuleType, name: str) -> bool:
    return getattr(vars(module).get(name), "__module__", None) == module.__name__


def _raises(kind: type[Exception], call: Callable[[], Any]) -> bool:
    try:
        call()
    except kind:
        return True
    return False


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
