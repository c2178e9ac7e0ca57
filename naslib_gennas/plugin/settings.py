"""What the score is, in the words of a NASLib configuration: its section ``gennas``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from pydantic import Field

from ..errors import SpecError
from ..proxy.fidelity import Spec
from ..proxy.presets import DEFAULT_PRESET, validate
from ..registry import unknown

SECTION = "gennas"  # of a configuration, and the name of our measure


class Section(Spec):
    """The section ``gennas`` of a configuration: what the score is."""

    preset: str = DEFAULT_PRESET
    seed: int = Field(0, ge=0)
    device: str = "cpu"
    repeats: Optional[int] = Field(None, ge=1)
    """Initialisations and target draws that are averaged; None is the preset's number."""
    screen: Optional[str] = None
    """A cheap preset that chooses which architectures of a query a predictor scores by ``preset``."""
    keep: str = "5%"
    """The share of them, or their number."""
    learn: bool = True
    """Whether a predictor that is given labels learns from them; without labels it is the score alone."""
    task_search: bool = False
    """Whether it looks for a better proxy task with them instead."""
    task_steps: int = Field(16, ge=0, le=10_000)
    """Tasks that this short search evaluates after its first 8."""

    def of_measure(self, name: str) -> Section:
        """The same with the preset of the measure ``gennas_<preset>``; ``gennas`` is that of the section.

        >>> Section(seed=3).of_measure("gennas_best").preset
        'best'
        """
        return self if name == SECTION else self.model_copy(update={"preset": name[len(SECTION) + 1 :]})


def is_ours(name: str) -> bool:
    """Whether ``name`` is ``gennas`` or ``gennas_<preset>``.

    >>> is_ours("gennas_best"), is_ours("synflow")
    (True, False)
    """
    return name == SECTION or name.startswith(SECTION + "_")


def checked_settings(settings: Mapping[Any, object]) -> Section:
    """The settings of the score, complete; SpecError for a key that is none (near matches named) or its value.

    >>> checked_settings({"seed": 3}).preset
    'hybrid'
    """
    names = tuple(Section.model_fields)
    for key in settings:
        if key not in names:
            raise SpecError(f"{SECTION}: {unknown('setting', str(key), names)}")
    section: Section = validate(Section, dict(settings), SECTION)
    return section


def settings_of(config: Any) -> Section:
    """Those of the section ``gennas`` of a NASLib configuration: a mapping, CfgNode or AttrDict.

    SpecError as :func:`checked_settings`, and if the section is no mapping.

    >>> settings_of({"search_space": "nasbench201", "gennas": {"seed": 3}}).seed
    3
    """
    section = config.get(SECTION) if isinstance(config, Mapping) else getattr(config, SECTION, None)
    if not isinstance(section, (Mapping, type(None))):
        raise SpecError(f"{SECTION}: expected a mapping of {', '.join(Section.model_fields)}; got {section!r}")
    return checked_settings(section or {})
