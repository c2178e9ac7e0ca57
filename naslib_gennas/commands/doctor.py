"""What this installation consists of, and what to do about missing parts."""

from __future__ import annotations

from importlib import metadata, util
from typing import Any

from ..errors import InputError

REQUIRED = ("torch", "numpy", "scipy", "pandas", "pydantic", "PyYAML", "click", "tqdm")
OPTIONAL = {
    "matplotlib": ("pictures", "pip install 'naslib_gennas[plot]'"),
    "PIL": ("folders of pictures as --images", "pip install 'naslib_gennas[images]'"),
    "torchvision": ("CIFAR and ImageFolder paths as --images", "pip install torchvision"),
    "pyarrow": ("scores as .parquet files", "pip install 'naslib_gennas[parquet]'"),
    "tfrecord": ("NAS-Bench-101's .tfrecord file", "pip install 'naslib_gennas[tables]'"),
}


def examine() -> dict[str, Any]:
    """Versions, devices and optional parts, JSON-safe."""
    from ..runs.run import environment

    facts = environment()
    del facts["command"]
    return {
        "environment": facts,
        "required": {name: _version(name) for name in REQUIRED},
        "optional": {
            name: {"found": util.find_spec(name) is not None, "for": use, "install": line}
            for name, (use, line) in OPTIONAL.items()
        },
        "naslib": _naslib(),
    }


def lines(data: dict[str, Any]) -> list[str]:
    """``data`` of :func:`examine` as lines for a person."""
    facts = data["environment"]
    shown = [f"naslib_gennas {facts['naslib_gennas']}, Python {facts['python']}, {facts['platform']}"]
    shown.append(f"processors {facts['processors']}, PyTorch threads {facts['threads']}")
    shown.append("CUDA: " + (", ".join(facts["cuda"]) or "no device; scoring runs on the CPU"))
    shown += [f"  {name:12} {version}" for name, version in data["required"].items()]
    for name, part in data["optional"].items():
        state = "found" if part["found"] else f"not found: {part['install']}"
        shown.append(f"  {name:12} {state} ({part['for']})")
    naslib = data["naslib"]
    shown.append("NASLib: " + (naslib["message"] or f"found, branch {naslib['branch']}"))
    for repair in naslib["repairs"]:
        need = {True: "needed", False: "not needed", None: "cannot tell, a package is missing"}[repair["needed"]]
        shown.append(f"  {repair['name']:28} {need}: {repair['why']}")
    return shown


def _naslib() -> dict[str, Any]:
    """Where NASLib stands: its branch, or why it cannot be used; and what this Python would need repaired."""
    from ..plugin import loading, locate

    try:
        branch, message = locate.layout_of(locate.require()).name, ""
    except InputError as error:
        branch, message = None, str(error)
    return {"branch": branch, "message": message, "repairs": [row._asdict() for row in loading.describe()]}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not found"
