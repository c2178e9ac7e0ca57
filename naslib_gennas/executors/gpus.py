"""A GPU for every worker: each takes the first that no other has, until it ends."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import Optional

from filelock import FileLock, Timeout

from ..progress import warn

VISIBLE = "CUDA_VISIBLE_DEVICES"
MOST_ON_ONE = 64  # workers

_held: Optional[FileLock] = None


def take_gpu(gpus: Optional[list[str]] = None, folder: Optional[Path] = None) -> Optional[str]:
    """Make one of ``gpus`` the only one that this process sees; None, and nothing is changed, where there are not two.

    A process has its GPU until it ends, even by a kill. Where there are more processes than GPUs, they share them
    evenly. To be called before CUDA is used.

    gpus: as CUDA_VISIBLE_DEVICES names them; None is all that are visible. folder: for locks, of this machine.

    >>> take_gpu(["0"]) is None
    True
    """
    global _held
    gpus = visible() if gpus is None else gpus
    if _held is not None or len(gpus) < 2:
        return None
    folder = Path(tempfile.gettempdir()) / f"gennas-gpus-{_user()}" if folder is None else folder
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        warn(f"workers share the first GPU, since {folder} cannot be made ({error.strerror})")
        return None
    for turn, gpu in itertools.product(range(MOST_ON_ONE), gpus):
        lock = FileLock(folder / f"{gpu.replace('/', '_')}.{turn}", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _held = lock
        os.environ[VISIBLE] = gpu
        return gpu
    return None


def visible() -> list[str]:
    """The GPUs of this process, as CUDA_VISIBLE_DEVICES would name them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]  # of the driver, without starting CUDA


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
