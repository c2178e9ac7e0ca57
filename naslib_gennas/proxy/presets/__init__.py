"""Presets: a proxy task together with the fidelity it is run at, shipped as YAML files beside this module."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, model_validator

from ...errors import SpecError, UnknownNameError
from ...registry import unknown
from ...texts import parse_yaml
from ..fidelity import NETWORK_OPTIONS, OWN, TRAINING_FIELDS, Fidelity, ReadOut, Spec
from ..rnn import RNNBatch, RNNExpected, RNNFidelity, RNNTask
from ..tasks import Batch, Expected, ProxyTask

if TYPE_CHECKING:
    import torch

    from ..images import Source

M = TypeVar("M", bound=BaseModel)
DEFAULT_PRESET = "hybrid"
DIGEST_LENGTH = 12  # hexadecimal digits


class Part(Spec):
    """A further task of a preset, regressed by a network of its own."""

    weight: float = Field(gt=0, le=1000)
    """Of its loss beside that of the preset's first task."""
    task: ProxyTask
    fidelity: Fidelity = Fidelity()


class Preset(Spec):
    """What turns an architecture into a number, apart from seed and images.

    >>> fast = load_preset("fast")
    >>> fast.fidelity.steps, fast.digest() == fast.with_fidelity(steps=fast.fidelity.steps + 1).digest()
    (20, False)
    """

    name: str
    kind: Literal["cnn"] = "cnn"
    """The networks it is for."""
    description: str = ""
    source: str = ""
    """Where the task comes from: a paper's section, or how and on which labels it was chosen."""
    task: ProxyTask
    fidelity: Fidelity = Fidelity()
    also: tuple[Part, ...] = ()
    """Further tasks: the score is minus the weighted sum of all their losses."""
    size_weight: float = Field(default=0.0, ge=-100, le=100)
    """The score has this times the natural logarithm of the parameters of the benchmark's network added."""
    families: dict[str, SerializeAsAny[Preset]] = {}
    """Family of search spaces -> what the preset is there, instead of the rest."""

    @model_validator(mode="before")
    @classmethod
    def _families(cls, data: Any) -> Any:
        """A family's preset has the name of the whole; its kind says which fields it has."""
        if not isinstance(data, dict) or not isinstance(data.get("families"), dict):
            return data
        shared = {key: data[key] for key in ("name", "description", "source") if key in data}
        families = {
            family: PRESETS[fields.get("kind", "cnn")].model_validate({**shared, **fields})
            if isinstance(fields, dict) and fields.get("kind", "cnn") in PRESETS
            else fields
            for family, fields in data["families"].items()
        }
        return {**data, "families": families}

    def suited(self, family: str) -> Preset:
        """What the preset is for a family of search spaces.

        >>> load_preset("fast").suited("nasbench201") == load_preset("fast")
        True
        """
        return self.families.get(family, self.model_copy(update={"families": {}}) if self.families else self)

    def digest(self) -> str:
        """Twelve hexadecimal digits that change when, and only when, the score's definition changes."""
        definition = self._definition()
        return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH]

    def _definition(self) -> dict[str, object]:
        definition: dict[str, object] = {
            "task": self.task.model_dump(mode="json"),
            "fidelity": {**_told(self.fidelity), "target_size": self.fidelity.signal_size},
        }
        if self.also:
            definition["also"] = [[weight, member._definition()] for weight, member in self.members()[1:]]
        if self.size_weight:
            definition["size_weight"] = self.size_weight
        if self.families:
            definition["families"] = {family: preset._definition() for family, preset in self.families.items()}
        return definition

    def to_yaml(self) -> str:
        """The text of a ``.yaml`` file that :func:`load_preset` reads."""
        unset = {name for name in ("also", "size_weight", "families") if not getattr(self, name)}
        data = self.model_dump(mode="json", exclude={*unset, "families"})
        if self.families:
            shared = {"name", "description", "source"}
            data["families"] = {
                family: {key: value for key, value in yaml.safe_load(preset.to_yaml()).items() if key not in shared}
                for family, preset in self.families.items()
            }
        text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
        return text

    def members(self) -> list[tuple[float, Preset]]:
        """Weight and preset of every task alone, the first with weight 1."""
        alone = self.model_copy(update={"also": (), "size_weight": 0.0, "families": {}})
        further = ((part.weight, {"task": part.task, "fidelity": part.fidelity}) for part in self.also)
        return [(1.0, alone), *((weight, alone.model_copy(update=update)) for weight, update in further)]

    def with_fidelity(self, **changes: object) -> Preset:
        """The same tasks at another fidelity; keys are those of the fidelity's class (SpecError if not)."""
        return self.with_fidelities(lambda fidelity: changes)

    def with_fidelities(self, changes: Callable[[Any], Mapping[str, object]]) -> Preset:
        """As :meth:`with_fidelity`, the changes made of the fidelity of each task."""

        def changed(holder: Union[Preset, Part]) -> dict[str, Fidelity]:
            fidelity = holder.fidelity
            fields = {**fidelity.model_dump(), **changes(fidelity)}
            return {"fidelity": validate(type(fidelity), fields, "fidelity")}

        also = tuple(part.model_copy(update=changed(part)) for part in self.also)
        families = {family: preset.with_fidelities(changes) for family, preset in self.families.items()}
        return self.model_copy(update={**changed(self), "also": also, "families": families})

    def materialise(self, images: Source, generator: torch.Generator) -> Union[Batch, RNNBatch]:
        """The batch of one run of the first task, on the CPU.

        images: see :func:`naslib_gennas.proxy.images.load_images`. generator: on the CPU, of all draws.
        """
        return self.task.materialise(self._pixels(images), self.fidelity.signal_size, generator)

    def expected(self, images: Source, generator: torch.Generator) -> Union[Expected, RNNExpected]:
        """The first task on average over its targets, on the CPU; arguments as of :meth:`materialise`."""
        return self.task.expected(self._pixels(images), self.fidelity.signal_size, generator)

    def _pixels(self, images: Source) -> torch.Tensor:
        from ..images import load_images

        return load_images(images, self.fidelity.batch_size, self.fidelity.input_size)


class RNNPreset(Preset):
    """A preset for recurrent networks, used in the place of the other: the types of its fields differ."""

    kind: Literal["rnn"] = "rnn"  # type: ignore[assignment]
    task: RNNTask  # type: ignore[assignment]
    fidelity: RNNFidelity = RNNFidelity()  # type: ignore[assignment]
    also: tuple[()] = ()

    def _definition(self) -> dict[str, object]:
        size = {"size_weight": self.size_weight} if self.size_weight else {}
        return {"task": self.task.model_dump(mode="json"), "fidelity": _told(self.fidelity), **size}

    def materialise(self, images: Source, generator: torch.Generator) -> RNNBatch:
        """The batch of one run, on the CPU; SpecError if there are images."""
        self._check_blind(images)
        return self.task.materialise(self.fidelity.batch_size, self.fidelity.length, generator)

    def expected(self, images: Source, generator: torch.Generator) -> RNNExpected:
        """The inputs of one run and its targets on average, on the CPU; SpecError if there are images."""
        self._check_blind(images)
        return self.task.expected(self.fidelity.batch_size, self.fidelity.length, generator)

    def _check_blind(self, images: Source) -> None:
        if images is not None:
            raise SpecError(f"the preset {self.name} is for recurrent networks, which see no images; leave them out")


def _told(fidelity: ReadOut) -> dict[str, object]:
    """The fields that can change a score."""
    fields = fidelity.model_dump(mode="json")
    unsaid = {name for name in NETWORK_OPTIONS if fields.get(name) == OWN}
    unsaid |= {"solver", "ridge"} if fidelity.solver == "sgd" else set(TRAINING_FIELDS)
    return {name: value for name, value in fields.items() if name not in unsaid}


PRESETS: dict[str, type[Preset]] = {"cnn": Preset, "rnn": RNNPreset}
"""By the kind of networks."""


def load_preset(name: str | Path | Preset) -> Preset:
    """A shipped preset by name, or one's own from a ``.yaml`` file.

    Raises UnknownNameError (near matches listed) or SpecError (file and key named).

    >>> load_preset("paper-combo").kind, load_preset("rnn-fast").kind
    ('cnn', 'rnn')
    """
    if isinstance(name, Preset):
        return name
    text = str(name)
    if text.endswith((".yaml", ".yml")):
        return _from_file(Path(text))
    shipped = _shipped()
    if text not in shipped:
        message = unknown("preset", text, shipped)
        raise UnknownNameError(f"{message} (a preset of your own is named by its .yaml file)")
    return shipped[text]


def preset_names() -> list[str]:
    """The shipped presets, ours first.

    >>> preset_names()[0]
    'best'
    """
    return list(_shipped())


def validate(model: type[M], data: object, where: str) -> M:
    """``model`` from plain data; SpecError with one sentence naming ``where`` and the first offending key.

    >>> validate(Fidelity, {"steps": 0}, "mine.yaml")
    Traceback (most recent call last):
    naslib_gennas.errors.SpecError: mine.yaml: steps: Input should be greater than or equal to 1, got 0
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole document"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        reason = first["msg"].replace("Value error, ", "")
        if first["type"] == "extra_forbidden":
            reason = "there is no such key; check its spelling"
        raise SpecError(f"{where}: {key}: {reason}{_shown(first)}{more}") from None


def _shown(error: Mapping[str, object]) -> str:
    value = error.get("input")
    return f", got {value!r}" if isinstance(value, (str, int, float, bool, type(None))) else ""


def _from_file(path: Path) -> Preset:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the preset file {path}: {getattr(error, 'strerror', None) or error}") from None
    return parse_preset(text, str(path))


def parse_preset(text: str, where: str) -> Preset:
    """A preset from YAML text; ``where`` names the source in errors, all of which are SpecErrors.

    >>> text = "name: mine\\ntask:\\n  stages: [{}, {}, {signals: [{kind: dot}]}]\\n"
    >>> parse_preset(text, "mine.yaml").task.stages[2].signals[0].fraction
    1.0
    """
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise SpecError(f"{where} is not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise SpecError(f"{where}: a preset is a mapping with the keys name, task and fidelity")
    return _preset(data, where)


def _preset(data: Mapping[str, object], where: str) -> Preset:
    kind = data.get("kind", "cnn")
    if not isinstance(kind, str) or kind not in PRESETS:
        raise SpecError(f"{where}: {unknown('kind of preset', str(kind), PRESETS)}")
    return validate(PRESETS[kind], data, where)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Preset]:
    presets = {}
    for file in sorted(resources.files(__name__).iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                preset = _preset(document, file.name)
                presets[preset.name] = preset
    return presets
