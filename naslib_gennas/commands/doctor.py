"""What this installation consists of, and what to do about missing parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from typing import Optional

from ..errors import InputError, UnknownNameError
from ..registry import unknown
from ..runs.run import Record, environment
from .result import Result

REQUIRED = ("torch", "numpy", "scipy", "pandas", "pydantic", "PyYAML", "click", "rich", "tqdm", "pebble", "filelock")
OPTIONAL = {
    "analognasbench": ("`gennas demo`, and the table analog-nasbench", "pip install 'naslib_gennas[demo]'"),
    "matplotlib": ("pictures", "pip install 'naslib_gennas[plot]'"),
    "PIL": ("folders of pictures as --images", "pip install 'naslib_gennas[images]'"),
    "timm": ("models by --timm", "pip install timm"),
    "networkx": ("mutations of NAS-Bench-NLP's recipes", "pip install 'naslib_gennas[nlp]'"),
    "torchvision": ("CIFAR and ImageFolder paths as --images", "pip install torchvision"),
    "pyarrow": ("tables and scores as .parquet files", "pip install 'naslib_gennas[parquet]'"),
    "tfrecord": ("NAS-Bench-101's .tfrecord file", "pip install 'naslib_gennas[tables]'"),
}


@dataclass(frozen=True)
class Environment(Result):
    """Versions of the packages that decide a score, and this machine.

    Attributes:
        naslib_gennas, python, torch, numpy: versions.
        platform: operating system and processor.
        processors: None where it is unknown.
        vectors: what PyTorch uses of the processor's, such as AVX512.
        threads: of PyTorch, in this process.
        cuda: names of the devices.
    """

    naslib_gennas: str
    python: str
    torch: str
    numpy: str
    platform: str
    processors: Optional[int]
    vectors: str
    threads: int
    cuda: tuple[str, ...]


@dataclass(frozen=True)
class OptionalPart(Result):
    """A package that is not needed: whether it was ``found``, what it is for, and the line that installs it."""

    found: bool
    use: str
    install: str

    def as_record(self) -> Record:
        return {"found": self.found, "for": self.use, "install": self.install}


@dataclass(frozen=True)
class Repair(Result):
    """A repair of NASLib; ``needed`` is None where a package is missing and nobody can tell."""

    name: str
    needed: Optional[bool]
    applied: bool
    why: str


@dataclass(frozen=True)
class NASLibFound(Result):
    """Where NASLib stands: its ``branch``, or None and in ``message`` why it cannot be used; and its repairs."""

    branch: Optional[str]
    message: str
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class Examination(Result):
    """What this installation consists of; ``required`` and ``optional`` are by name of the package.

    The value of ``required`` is a version, or "not found".
    """

    environment: Environment
    required: Mapping[str, str]
    optional: Mapping[str, OptionalPart]
    naslib: NASLibFound


def examine() -> Examination:
    """Versions, devices, optional parts, and what became of NASLib."""
    facts = environment()
    del facts["command"]
    return Examination(
        environment=Environment(**{**facts, "cuda": tuple(facts["cuda"])}),
        required={name: _version(name) for name in REQUIRED},
        optional={
            name: OptionalPart(util.find_spec(name) is not None, use, line) for name, (use, line) in OPTIONAL.items()
        },
        naslib=_naslib(),
    )


def lines(found: Examination) -> list[str]:
    """An examination as lines for a person."""
    facts, naslib = found.environment, found.naslib
    shown = [f"naslib_gennas {facts.naslib_gennas}, Python {facts.python}, {facts.platform}"]
    shown.append(f"processors {facts.processors} ({facts.vectors}), PyTorch threads {facts.threads}")
    shown.append("CUDA: " + (", ".join(facts.cuda) or "no device; scoring runs on the CPU"))
    shown += [f"  {name:14} {version}" for name, version in found.required.items()]
    for name, part in found.optional.items():
        state = "found" if part.found else f"not found: {part.install}"
        shown.append(f"  {name:14} {state} ({part.use})")
    shown.append("NASLib: " + (naslib.message or f"found, branch {naslib.branch}"))
    for repair in naslib.repairs:
        need = {True: "needed", False: "not needed", None: "cannot tell, a package is missing"}[repair.needed]
        shown.append(f"  {repair.name:28} {need}: {repair.why}")
    return shown


@dataclass(frozen=True)
class RunnerCheck(Result):
    """A configuration of one of NASLib's runners on a space: ``problem`` is empty where it works."""

    runner: str
    what: str
    space: str
    problem: str
    seconds: float


def check_naslib(spaces: Sequence[str]) -> Iterator[RunnerCheck]:
    """Every runner of the NASLib that is found, on invented accuracies; ``spaces`` by our names or NASLib's.

    Raises MissingPackageError without NASLib, UnknownNameError for a space that its runners do not have.
    """
    from ..plugin.runner_config import DATASETS, NASLIB_NAMES
    from ..plugin.self_test import check_runners

    names = [NASLIB_NAMES.get(space, space) for space in spaces]
    for name in names:
        if name not in DATASETS:
            raise UnknownNameError(unknown("search space of NASLib's runners", name, DATASETS))
    for check in check_runners(names):
        yield RunnerCheck(check.runner, check.what, check.space, check.problem, check.seconds)


def _naslib() -> NASLibFound:
    from ..plugin import loading, locate

    repairs = tuple(Repair(row.name, row.needed, row.applied, row.why) for row in loading.describe())
    try:
        return NASLibFound(locate.layout_of(locate.require()).name, "", repairs)
    except InputError as error:
        return NASLibFound(None, str(error), repairs)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not found"
