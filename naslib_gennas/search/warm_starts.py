"""What a score found, as the first architectures that another search looks at: ours, NASLib's, or a tool's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..errors import InputError, RunError
from ..runs.lines import record_of
from ..runs.run import CONFIG, RESULTS, SUMMARY
from ..spaces.base import SearchSpace
from ..tables import open_space, read_architectures
from ..texts import parse_json

COUNT = 20


@dataclass(frozen=True)
class WarmStarts:
    """Architectures of ``space``, the best first.

    >>> from naslib_gennas.spaces import load_space
    >>> space = load_space("nasbench201")
    >>> starts = WarmStarts(space, (space.parse("5"), space.parse("77")))
    >>> starts.configurations[0]["edge_0_1"], starts.categories["edge_0_1"]
    ('nor_conv_1x1', ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'))
    """

    space: SearchSpace
    archs: tuple[Any, ...]

    @classmethod
    def of_run(cls, directory: Union[str, Path], count: int = COUNT) -> WarmStarts:
        """The best ``count`` networks of a run of ``score`` or ``search``: final scores before others, a front before
        both.

        RunError for a directory that is no such run; InputError for fewer than 1.
        """
        if count < 1:
            raise InputError(f"a warm start needs at least 1 architecture, got {count}")
        folder = Path(directory)
        config = _json(folder / CONFIG)
        if config.get("command") not in ("score", "search") or "space" not in config:
            raise RunError(f"{folder} is no run of `gennas score` or `gennas search`")
        space = open_space(str(config["space"]))
        found: dict[str, Any] = {}  # of architectures that are one network the first
        for text in itertools.chain(_ordered(folder), _by_score(folder)):
            arch = space.parse(text)
            found.setdefault(space.score_key(arch), arch)
            if len(found) == count:
                break
        if not found:
            raise RunError(f"{folder} has no architecture with a score")
        return cls(space, tuple(found.values()))

    @classmethod
    def of_file(cls, path: Union[str, Path], space: SearchSpace) -> WarmStarts:
        """Of a file, see :func:`naslib_gennas.tables.read_architectures`; a directory is a run, see ``of_run``."""
        if Path(path).is_dir():
            found = cls.of_run(path)
            if found.space.name != space.name:
                raise InputError(f"{path} is of the space {found.space.name}, the search is of {space.name}")
            return found
        return cls(space, tuple(read_architectures(path, space)))

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """Categorical parameters of the space, for Syne Tune's ``choice`` and NePS's ``Categorical``; of spaces that
        cannot be written so one parameter, ``arch``, whose options are these architectures."""
        return self.space.categories or {"arch": tuple(map(str, self.archs))}

    @property
    def configurations(self) -> list[dict[str, str]]:
        """The architectures as values of these parameters: Syne Tune's ``points_to_evaluate``."""
        if not self.space.categories:
            return [{"arch": str(arch)} for arch in self.archs]
        return [self.space.configuration(arch) for arch in self.archs]

    def architecture(self, configuration: Mapping[str, str]) -> Any:
        """What values of these parameters stand for; ArchitectureError where they are not valid together."""
        if not self.space.categories:
            return self.space.parse(configuration["arch"])
        return self.space.from_configuration(configuration)

    def enqueue(self, study: Any) -> None:
        """These are the next trials of an Optuna study."""
        for configuration in self.configurations:
            study.enqueue_trial(configuration)

    def suggest(self, trial: Any) -> Any:
        """The architecture that an Optuna trial asks for."""
        categories = self.categories.items()
        return self.architecture({name: trial.suggest_categorical(name, list(options)) for name, options in categories})

    def as_record(self) -> dict[str, Any]:
        """One JSON object, which ``of_file`` reads."""
        return {
            "space": self.space.source,
            "architectures": list(map(str, self.archs)),
            "categories": {name: list(options) for name, options in self.categories.items()},
            "configurations": self.configurations,
        }


class Started:
    """A space that is sampled from its ``starts`` first, each once; the rest is the space's own."""

    def __init__(self, space: SearchSpace, starts: Iterable[Any]):
        self._space, self.starts = space, tuple(starts)
        self._left: Iterator[Any] = iter(self.starts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def sample(self, rng: np.random.Generator) -> Any:
        for arch in self._left:
            return arch
        return self._space.sample(rng)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{path.parent} is no run directory: its {path.name} cannot be read") from None
    return found if isinstance(found, dict) else {}


def _ordered(folder: Path) -> Iterator[str]:
    """A search's front and its best, in its own order."""
    if not (folder / SUMMARY).exists():
        return
    summary = _json(folder / SUMMARY)
    for found in [*summary.get("front", []), *summary.get("best", [])]:
        if found.get("score") is not None:
            yield str(found["arch"])


def _by_score(folder: Path) -> list[str]:
    try:
        lines = (folder / RESULTS).read_bytes().splitlines()
    except OSError as error:
        raise RunError(f"cannot read {folder / RESULTS}: {error.strerror or error}") from None
    records = map(record_of, lines)
    scored = [record for record in records if record is not None and record.get("score") is not None]
    return [str(record["arch"]) for record in sorted(scored, key=lambda record: -float(record["score"]))]
