"""Where NASLib is, and which of its two lines a checkout is. Nothing here imports NASLib."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, MissingPackageError

HOME = "NASLIB_HOME"
_FOLDERS = ("search_spaces", "predictors", "optimizers", "utils")  # in every NASLib, of any branch
_PACKAGES = ("torch", "scipy", "sklearn", "termcolor", "fvcore", "networkx")

# What both branches have in the same place: name -> "module:attribute".
_COMMON = {
    "Predictor": "naslib.predictors.predictor:Predictor",
    "ZeroCost": "naslib.predictors.zerocost:ZeroCost",
    "Metric": "naslib.search_spaces.core.query_metrics:Metric",
    "get_search_space": "naslib.search_spaces:get_search_space",
    "NasBench101SearchSpace": "naslib.search_spaces:NasBench101SearchSpace",
    "NasBench201SearchSpace": "naslib.search_spaces:NasBench201SearchSpace",
    "NasBench301SearchSpace": "naslib.search_spaces:NasBench301SearchSpace",
    "TransBench101SearchSpaceMicro": "naslib.search_spaces:TransBench101SearchSpaceMicro",
    "TransBench101SearchSpaceMacro": "naslib.search_spaces:TransBench101SearchSpaceMacro",
    "ZeroCostPredictorEvaluator": "naslib.evaluators.zc_evaluator:ZeroCostPredictorEvaluator",
    "Bananas": "naslib.optimizers:Bananas",
    "Npenas": "naslib.optimizers:Npenas",
    "Ensemble": "naslib.predictors.ensemble:Ensemble",
    "encode_spec": "naslib.predictors.utils.encodings:encode_spec",
    "ZCEnsembleEvaluator": "naslib.evaluators.zc_ensemble_evaluator:ZCEnsembleEvaluator",
    "Trainer": "naslib.defaults.trainer:Trainer",
    "get_dataset_api": "naslib.utils:get_dataset_api",
    "get_zc_benchmark_api": "naslib.utils:get_zc_benchmark_api",
    "get_config_from_args": "naslib.utils:get_config_from_args",
    "setup_logger": "naslib.utils:setup_logger",
    "set_seed": "naslib.utils:set_seed",
    "compute_scores": "naslib.utils:compute_scores",
    "nb101_api": "naslib.utils.nb101_api:",
}


@dataclass(frozen=True)
class Layout:
    """One line of NASLib: the only place that knows what the branches call things and where they keep them.

    ``marker`` is a folder that only this line has; ``packages`` are the modules that it cannot do without;
    ``parts`` maps our name of a function, class or module to ``module:attribute`` (no attribute: the module
    itself); ``runners`` maps the command of ``gennas naslib`` to the stock script, relative to the checkout.
    """

    name: str
    marker: str
    packages: tuple[str, ...]
    parts: Mapping[str, str]
    runners: Mapping[str, str]


DEVELOP = Layout(
    name="develop",
    marker="naslib/predictors/utils/pruners/measures",
    packages=(*_PACKAGES, "nasbench_pytorch"),
    parts={
        **_COMMON,
        "measures": "naslib.predictors.utils.pruners.measures:",
        "measure": "naslib.predictors.utils.pruners.measures:measure",
        "find_measures": "naslib.predictors.utils.pruners.predictive:find_measures",
        "RegularizedEvolution": "naslib.optimizers:RegularizedEvolution",
        "RandomSearch": "naslib.optimizers:RandomSearch",
        "LocalSearch": "naslib.optimizers:LocalSearch",
        "PredictorEvaluator": "naslib.defaults.predictor_evaluator:PredictorEvaluator",
        "utils": "naslib.utils:",
        "parse_args": "naslib.utils:parse_args",
        "get_train_val_loaders": "naslib.utils:get_train_val_loaders",
        "count_parameters_in_MB": "naslib.utils:count_parameters_in_MB",
        "AttrDict": "naslib.utils:AttrDict",
        "load_sampled_architectures": "naslib.utils:load_sampled_architectures",
    },
    runners={
        "zc": "naslib/runners/zc/runner.py",
        "zc-benchmarks": "naslib/runners/zc/benchmarks/runner.py",
        "predictors": "naslib/runners/predictors/runner.py",
        "bbo": "naslib/runners/bbo/runner.py",
        "xgb": "naslib/runners/zc/bbo/xgb_runner.py",
    },
)

ZEROCOST = Layout(
    name="zerocost",
    marker="naslib/predictors/pruners/measures",
    packages=_PACKAGES,
    parts={
        **_COMMON,
        "measures": "naslib.predictors.pruners.measures:",
        "measure": "naslib.predictors.pruners.measures:measure",
        "find_measures": "naslib.predictors.pruners.predictive:find_measures",
        "utils": "naslib.utils.utils:",
        "parse_args": "naslib.utils.utils:parse_args",
        "get_train_val_loaders": "naslib.utils.utils:get_train_val_loaders",
        "count_parameters_in_MB": "naslib.utils.utils:count_parameters_in_MB",
        "AttrDict": "naslib.utils.utils:AttrDict",
        "load_sampled_architectures": "naslib.utils.get_dataset_api:load_sampled_architectures",
    },
    runners={
        "zc": "naslib/runners/runner.py",
        "zc-benchmarks": "naslib/runners/benchmarks/runner.py",
        "bbo": "naslib/runners/bbo/runner.py",
        "xgb": "naslib/runners/bbo/xgb_runner.py",
    },
)

LAYOUTS = (DEVELOP, ZEROCOST)


def locate(path: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder that holds the package ``naslib``, or None.

    An importable NASLib wins, then ``path``, then the environment variable NASLIB_HOME. Raises InputError if
    the named folder is no NASLib checkout, or if ``path`` names another NASLib than the importable one.
    """
    found = _importable_root()
    if path is not None:
        root = _checked(Path(path), "the path given for NASLib")
        if found is not None and not os.path.samefile(root, found):
            raise InputError(
                f"Python already imports NASLib from {found}, so {root} cannot be used; give no path, "
                f"or take {found} off PYTHONPATH"
            )
        return found or root
    if found is not None:
        return found
    home = os.environ.get(HOME)
    return _checked(Path(home), HOME) if home else None


def available() -> bool:
    """Whether NASLib is there to be loaded; raises InputError if NASLIB_HOME names no checkout."""
    return locate() is not None


def require(path: str | os.PathLike[str] | None = None) -> Path:
    """Like :func:`locate`, but raises MissingPackageError where there is no NASLib."""
    root = locate(path)
    if root is None:
        raise MissingPackageError(
            f"NASLib was not found; git clone https://github.com/automl/NASLib, set {HOME} to that folder "
            "and pip install 'naslib-gennas[naslib]'"
        )
    return root


def layout_of(root: Path) -> Layout:
    """The line of NASLib in ``root``, told by where its zero-cost measures are; InputError if neither."""
    for layout in LAYOUTS:
        if (root / layout.marker).is_dir():
            return layout
    markers = " nor ".join(layout.marker for layout in LAYOUTS)
    raise InputError(
        f"the NASLib in {root} has neither {markers}, so its zero-cost measures cannot be found; "
        "check out its branch Develop or zerocost"
    )


def lacks(root: Path) -> str | None:
    """The first thing of a NASLib checkout that ``root`` does not have, or None if it is one."""
    if not (root / "naslib" / "__init__.py").is_file():
        return "naslib/__init__.py"
    return next((f"naslib/{name}" for name in _FOLDERS if not (root / "naslib" / name).is_dir()), None)


def _importable_root() -> Path | None:
    try:
        spec = importlib.util.find_spec("naslib")
    except ValueError:  # sys.modules holds a naslib without a spec
        return None
    if spec is None or not spec.origin:  # a mere folder called naslib is a namespace package without origin
        return None
    root = Path(spec.origin).resolve().parent.parent
    return None if lacks(root) else root


def _checked(root: Path, source: str) -> Path:
    root = root.expanduser().resolve()
    if not root.is_dir():
        raise InputError(f"{source} is {root}, which is no folder; name the NASLib checkout")
    missing = lacks(root)
    if missing:
        raise InputError(
            f"{source} is {root}, which is no NASLib checkout: it has no {missing}; name the folder that holds naslib/"
        )
    return root
