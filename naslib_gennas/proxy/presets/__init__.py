"""Presets: a proxy task together with the fidelity it is run at, shipped as YAML files beside this module."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from ...errors import SpecError, UnknownNameError
from ...registry import unknown
from ..fidelity import Fidelity, Spec
from ..rnn import RNNFidelity, RNNTask
from ..tasks import ProxyTask


class Part(Spec):
    """A further task of a preset, regressed by a network of its own."""

    weight: float = Field(gt=0, le=1000)
    """Of its loss beside that of the preset's first task."""
    task: ProxyTask
    fidelity: Fidelity = Fidelity()


class Preset(Spec):
    """What turns an architecture into a number, apart from seed and images."""

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

    def digest(self) -> str:
        """Twelve hexadecimal digits that change when, and only when, the score's definition changes."""
        definition = self._definition()
        return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:12]

    def _definition(self) -> dict:
        definition = self.model_dump(mode="json", include={"task", "fidelity"})
        definition["fidelity"]["target_size"] = self.fidelity.signal_size
        if self.also:
            definition["also"] = [[weight, member._definition()] for weight, member in self.members()[1:]]
        return definition

    def to_yaml(self) -> str:
        data = self.model_dump(mode="json", exclude=set() if self.also else {"also"})
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def members(self) -> list[tuple[float, Preset]]:
        """Weight and preset of every task alone, the first with weight 1."""
        alone = self.model_copy(update={"also": ()})
        further = ((part.weight, {"task": part.task, "fidelity": part.fidelity}) for part in self.also)
        return [(1.0, alone), *((weight, alone.model_copy(update=update)) for weight, update in further)]

    def with_fidelity(self, **changes) -> Preset:
        """The same tasks at another fidelity; keys are those of the fidelity's class (SpecError if not)."""
        return self.with_fidelities(lambda fidelity: changes)

    def with_fidelities(self, changes: Callable[[Any], dict]) -> Preset:
        """As :meth:`with_fidelity`, the changes made of the fidelity of each task."""

        def changed(holder):
            fidelity = holder.fidelity
            fields = {**fidelity.model_dump(), **changes(fidelity)}
            return {"fidelity": validate(type(fidelity), fields, "fidelity")}

        also = tuple(part.model_copy(update=changed(part)) for part in self.also)
        return self.model_copy(update={**changed(self), "also": also})

    def materialise(self, images, generator):
        """The batch of one run of the first task, on the CPU. images: see :func:`.images.load_images`."""
        from ..images import load_images

        pixels = load_images(images, self.fidelity.batch_size, self.fidelity.input_size)
        return self.task.materialise(pixels, self.fidelity.signal_size, generator)


class RNNPreset(Preset):
    """A preset for recurrent networks."""

    kind: Literal["rnn"] = "rnn"
    task: RNNTask
    fidelity: RNNFidelity = RNNFidelity()
    also: tuple[()] = ()

    def _definition(self) -> dict:
        return self.model_dump(mode="json", include={"task", "fidelity"})

    def materialise(self, images, generator):
        if images is not None:
            raise SpecError(f"the preset {self.name} is for recurrent networks, which see no images; leave them out")
        return self.task.materialise(self.fidelity.batch_size, self.fidelity.length, generator)


PRESETS = {"cnn": Preset, "rnn": RNNPreset}


def load_preset(name: str | Path | Preset) -> Preset:
    """A shipped preset by name, or one's own from a ``.yaml`` file.

    Raises UnknownNameError (near matches listed) or SpecError (file and key named).
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
    """The shipped presets, ours first."""
    return list(_shipped())


def validate(model, data, where: str):
    """``model`` from plain data; SpecError with one sentence naming ``where`` and the first offending key."""
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


def _shown(error) -> str:
    value = error.get("input")
    return f", got {value!r}" if isinstance(value, (str, int, float, bool, type(None))) else ""


def _from_file(path: Path) -> Preset:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the preset file {path}: {getattr(error, 'strerror', None) or error}") from None
    return parse_preset(text, str(path))


class _Loader(yaml.SafeLoader):
    """Plain data only; a key that is given twice is an error, where YAML libraries take the last."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def parse_preset(text: str, where: str) -> Preset:
    """A preset from YAML text; ``where`` names the source in errors."""
    try:
        data = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{where}: a value cannot be read as YAML: {error}") from None
    if not isinstance(data, dict):
        raise SpecError(f"{where}: a preset is a mapping with the keys name, task and fidelity")
    return _preset(data, where)


def _preset(data: dict, where: str) -> Preset:
    kind = data.get("kind", "cnn")
    if kind not in PRESETS:
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
