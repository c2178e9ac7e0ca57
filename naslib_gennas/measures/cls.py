"""Supervised training for a few epochs."""

from __future__ import annotations

from .base import training
from .measured_network import Subject
from .short_training import accuracy


@training(
    "cls@N",
    source="the usual baseline; in GenNAS, Table 2, cls@ep10",
    passes="N epochs of training",
    memory="activations of 64 images, three copies of the parameters",
    needs_labels=True,
)
def cls(subject: Subject, epochs: int) -> float:
    """Held-out accuracy in percent after N epochs of supervised training.

    On the images x and labels y of the .npz given, one in four held out; without labels on 1,024 cluttered digits,
    512 others held out (scikit-learn needed).
    """
    lesson = subject.pictures.labelled
    return accuracy(subject, lesson, 1 + int(max(lesson.targets.max(), lesson.test_targets.max())), epochs)
