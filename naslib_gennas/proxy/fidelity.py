"""How much is spent on one architecture: the size of its proxy network and the length of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field, model_validator

OWN, PAPER, PAPER_CODE = "own", "paper", "paper-code"
NETWORK_OPTIONS = ("cell_norm", "network_init", "stem")
"""Fields of a :class:`Fidelity` that change the networks of some spaces only. ``own`` leaves digests as they were."""
TRAINING_FIELDS = ("steps", "readout", "average", "learning_rate", "momentum", "weight_decay", "bias_init", "precision")
"""Fields that say nothing where nothing is trained."""


@dataclass(frozen=True)
class NetworkOption:
    """What the words ``own``, ``paper`` and ``paper-code`` of an option mean in one space.

    >>> NetworkOption(own="affine", paper="plain", paper_code="plain").meant("paper")
    'plain'
    """

    own: str
    paper: str
    paper_code: str

    def meant(self, asked: str) -> str:
        """The value of a word; any other value is itself."""
        return {OWN: self.own, PAPER: self.paper, PAPER_CODE: self.paper_code}.get(asked, asked)


class Spec(BaseModel):
    """Base of all specifications: unknown keys refused, values frozen, numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_values(cls, data: Any) -> Any:
        """pydantic would read YAML's yes/no as 1/0."""
        switches = {name for name, field in cls.model_fields.items() if field.annotation in (bool, "bool")}
        for key, value in data.items() if isinstance(data, dict) else ():
            if isinstance(value, bool) and key not in switches:
                raise ValueError(f"{key} must be a number or a word, not {value}")
        return data


class ReadOut(Spec):
    """How the loss is found, and what becomes the score; for convolutional and recurrent networks."""

    solver: Literal["sgd", "ridge"] = "sgd"
    """``sgd``: network and heads are trained (paper); ``ridge``: the best heads of the untrained network for all draws
    of the targets at once (:mod:`naslib_gennas.proxy.closed_form`). Of the other fields of this class, only ``repeats``
    has a meaning there, and of the optimiser's none."""
    ridge: float = Field(default=1.0, gt=0)
    """Penalty on the squared weights of these heads, divided by the number of rows; columns have a variance of 1."""
    steps: int = Field(default=100, ge=1, le=100_000)
    """Updates of the optimiser."""
    readout: Literal["eval", "train"] = "eval"
    """``eval``: loss after the last step in evaluation mode (running BatchNorm statistics, no dropout) on a fresh
    noise draw (paper); ``train``: training losses, averaged over the last ``average`` steps."""
    average: int = Field(default=1, ge=1, le=1000)
    """Steps averaged by the ``train`` read-out."""
    repeats: int = Field(default=1, ge=1, le=100)
    """Independent initialisations and draws of the signals, the losses averaged."""

    @model_validator(mode="after")
    def _consistent(self) -> ReadOut:
        if self.average > self.steps:
            raise ValueError(f"average ({self.average}) must not exceed steps ({self.steps})")
        if self.readout == "eval" and self.average != 1:
            raise ValueError("average applies to the 'train' read-out only")
        return self


class Fidelity(ReadOut):
    """Network size, optimisation and read-out. The defaults are the paper's (A.2).

    >>> Fidelity(steps=20, input_size=16).signal_size
    4
    """

    cells: Optional[int] = Field(default=None, ge=1, le=64)
    """Cells per stack; None is the search space's own number (NAS-Bench-101: 3, NAS-Bench-201: 5)."""
    channels: Optional[int] = Field(default=None, ge=1, le=1024)
    """Channels after the stem; None is the search space's own number (16)."""
    input_size: int = Field(default=32, ge=4, le=512)
    """Height and width of the images, in pixels."""
    target_size: Optional[int] = Field(default=None, ge=1, le=512)
    """Height and width of the synthetic signals, in pixels; None is a quarter of the input."""
    batch_size: int = Field(default=16, ge=2, le=4096)
    """Images in the one batch that is regressed."""
    learning_rate: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=4e-5, ge=0)
    """On weights of two or more dimensions only."""
    weight_init: Literal["default", "kaiming", "xavier"] = "default"
    """Of convolutions and linear layers: PyTorch's default, He et al. or Glorot & Bengio (paper, Table 6)."""
    bias_init: Literal["default", "zero"] = "default"
    cell_norm: Literal["own", "paper", "paper-code", "affine", "plain"] = "own"
    """BatchNorm inside the cells of NAS-Bench-201: with scale, shift and running statistics (``affine``, what ``own``
    means), or with neither, so that evaluation uses the batch's statistics, too (``plain``: the paper's networks,
    by their code; the text does not say)."""
    network_init: Literal["own", "paper", "paper-code", "default", "fan_out"] = "own"
    """First weights of the network's convolutions: as ``weight_init`` says (``default``, what ``own`` means), or
    normal of standard deviation sqrt(2 / (kernel area x output channels)) (``fan_out``). The latter is the authors' on
    ResNet and ResNeXt in every version, on NAS-Bench-101 in their last one. Heads follow ``weight_init``."""
    stem: Literal["own", "paper", "paper-code", "cifar", "imagenet"] = "own"
    """Of the NDS cell spaces for ImageNet: the CIFAR network of the cell (``cifar``: the authors' first version, with
    which the paper was written), or ImageNet's stem without its strides (``imagenet``: their last version, and what
    ``own`` means)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """``bfloat16`` runs the forward pass under autocast."""

    @property
    def signal_size(self) -> int:
        """Height and width of the targets, in pixels."""
        return self.target_size or max(1, self.input_size // 4)
