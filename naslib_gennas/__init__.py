"""Score, rank and search neural architectures by regression on synthetic signals (GenNAS, NeurIPS 2021).

Names are imported when first used, so that ``import naslib_gennas`` stays fast.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "Fidelity": "proxy.fidelity",
    "GenNASError": "errors",
    "Preset": "proxy.presets",
    "ProxyTask": "proxy.tasks",
    "Score": "scoring.gennas",
    "Scorer": "scoring.gennas",
    "SearchSpace": "spaces",
    "evaluate": "evaluation",
    "load_preset": "proxy.presets",
    "load_space": "spaces",
    "load_table": "tables",
    "preset_names": "proxy.presets",
    "register": "plugin",
    "regress": "proxy.regression",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
