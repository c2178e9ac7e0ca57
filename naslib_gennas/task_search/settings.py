"""What a task search is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..errors import InputError
from ..proxy.presets import Preset
from ..runs.run import Record
from ..scoring.gennas import GenNASScorer, check_kind
from ..search.evolution import POPULATION, TOURNAMENT
from ..spaces.base import SearchSpace
from ..tables import Table, load_table, open_space
from .search import Rules
from .significance import CONFIDENCE
from .space import TaskSpace, task_space

COMMAND = "task-search"


@dataclass(frozen=True)
class Elsewhere:
    """Another table, and the text that named it: where else a task is tried, or searched by as well."""

    text: str
    table: Table
    metric: str
    given: Optional[str]  # the metric, where it was named

    @classmethod
    def parse(cls, text: str, base: Preset) -> Elsewhere:
        """``SPACE:TABLE`` or ``SPACE:TABLE:METRIC``; InputError if it is neither, or of other networks."""
        fields = text.split(":")
        if len(fields) not in (2, 3) or not all(fields):
            raise InputError(f"cannot read {text!r}: another table is SPACE:TABLE or SPACE:TABLE:METRIC")
        space = open_space(fields[0])
        check_kind(space, base)
        table = load_table(fields[1], space)
        given = fields[2] if len(fields) == 3 else None
        return cls(text, table, given or table.default_metric, given)

    @property
    def space(self) -> SearchSpace:
        return self.table.space


@dataclass(frozen=True)
class TaskSearchSettings:
    """``base`` gives the fidelity and the stage weights; ``labelled`` architectures are drawn by ``seed``.

    ``validate``: others, whose labels the search never sees; ``transfer``: see :class:`Elsewhere`, on as many
    architectures as ``validate`` (all of the table if 0). ``also``: other tables of which as many architectures
    are labelled; fitness is then the mean of the rhos. ``name``: of the preset that is written. ``baseline``: a
    random search with as many tasks beside it. ``compare``: directories of other task searches for the picture.
    ``confidence``: see :func:`.significance.kept_start`; 0 always takes the best on the labels.
    """

    table: Table
    base: Preset
    metric: str
    labelled: int = 20
    seed: int = 0
    algorithm: str = "evolution"
    population: int = POPULATION
    tournament: int = TOURNAMENT
    objective: str = "rho"
    warm_start: tuple[Preset, ...] = ()
    search_fidelity: bool = False
    search_weights: bool = False
    race: bool = True
    device: str = "cpu"
    images: Optional[str] = None
    validate: int = 0
    transfer: tuple[Elsewhere, ...] = ()
    also: tuple[Elsewhere, ...] = ()
    name: str = "searched"
    baseline: bool = False
    compare: tuple[str, ...] = ()
    confidence: float = CONFIDENCE

    @property
    def space(self) -> SearchSpace:
        return self.table.space

    def config(self) -> Record:
        """What a resumed search must share."""
        also = [{"space": p.space.source, "table": p.table.name, "metric": p.given} for p in self.also]
        return {
            "command": COMMAND,
            "space": self.space.source,
            "table": self.table.name,
            "table_digest": self.table.digest(),
            "metric": self.metric,
            "labelled": self.labelled,
            "seed": self.seed,
            "base": self.base.name,
            "base_digest": self.base.digest(),
            "algorithm": self.algorithm,
            "population": self.population,
            "tournament": self.tournament,
            "objective": self.objective,
            "warm_start": [f"{preset.name} {preset.digest()}" for preset in self.warm_start],
            "search_fidelity": self.search_fidelity,
            "search_weights": self.search_weights,
            "race": self.race,
            "device": self.device,
            "images": self.images,
            **({"also": also} if also else {}),
        }

    def task_space(self) -> TaskSpace:
        """The space that is searched; SpecError if the base is not for this kind of networks."""
        check_kind(self.space, self.base)
        return task_space(self.base, self.search_fidelity, self.search_weights)

    def rules(self, steps: int, max_seconds: Optional[float] = None) -> Rules:
        return Rules(
            steps,
            self.algorithm,
            self.population,
            self.tournament,
            self.objective,
            self.warm_start,
            self.seed,
            max_seconds,
        )

    def scorer(self, preset: Preset, space: SearchSpace) -> GenNASScorer:
        """The preset bound to a space, with the seed, device and images of the search."""
        return GenNASScorer(space, preset, self.seed, self.device, self.images)
