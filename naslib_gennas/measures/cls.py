"""Supervised training for a few epochs."""

from __future__ import annotations

from .base import training
from .measured_network import MeasuredNetwork
from .short_training import accuracy


@training(
    "cls@N",
    source="the usual baseline; in GenNAS, Table 2, cls@ep10",
    passes="N epochs of training",
    memory="activations of 64 images, three copies of the parameters",
    needs_labels=True,
)
def cls(network: MeasuredNetwork, epochs: int) -> float:
    """Held-out accuracy in percent after N epochs of supervised training.

    On the images x and labels y of the .npz given, one in four held out; without labels on 1,024 cluttered digits,
    512 others held out (scikit-learn needed).

    From 0 to 100. InputError for a network with fewer outputs than there are classes.

    >>> from naslib_gennas.measures.measured_network import example
    >>> 0 <= cls(example(), epochs=1) <= 100
    True
    """
    data = network.training_images.labelled
    return accuracy(network, data, 1 + int(max(data.targets.max(), data.test_targets.max())), epochs)
