"""Score, rank and search neural architectures by regression on synthetic signals (GenNAS, NeurIPS 2021).

Names are imported when first used, so that ``import naslib_gennas`` stays fast.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Fidelity": "proxy.fidelity:Fidelity",
    "GenNASError": "errors:GenNASError",
    "Preset": "proxy.presets:Preset",
    "ProxyTask": "proxy.tasks:ProxyTask",
    "Score": "scoring:Score",
    "Scorer": "scoring:GenNASScorer",
    "SearchSpace": "spaces:SearchSpace",
    "WarmStarts": "search.warm_starts:WarmStarts",
    "evaluate": "evaluation:evaluate",
    "load_preset": "proxy.presets:load_preset",
    "load_space": "tables:open_space",
    "load_table": "commands.ground_truth:load_table",
    "preset_names": "proxy.presets:preset_names",
    "register": "plugin:register",
    "regress": "proxy.regression:regress",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, found = _HOMES[name].partition(":")
        return getattr(import_module(f"{__name__}.{module}"), found)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
