"""A sentence for a process that dies without a chance to say one: a segmentation fault, the out-of-memory killer."""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from types import TracebackType
from typing import Optional

END = b"\n"
LONGEST = 4096  # bytes of a sentence


class LastWords:
    """A context in which a child process waits for this one's end, and says the last sentence if it was no good end.

    The child does nothing else, and nothing at all happens where processes cannot fork.

    >>> with LastWords() as words:
    ...     words.now("it died at the first architecture")
    """

    def __enter__(self) -> LastWords:
        self._pipe: Optional[int] = None
        if hasattr(os, "fork"):
            reading, writing = os.pipe()
            # an interrupt inside the fork would be lost in the hooks that Python's modules have there
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: the child runs none
                    child = os.fork()
                if child == 0:
                    _wait(reading, writing)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(reading)
            self._pipe, self._child = writing, child
        return self

    def now(self, sentence: str) -> None:
        """What is to be said if this process dies from here on."""
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # somebody ended the child
                os.write(self._pipe, sentence.replace("\n", " ").encode()[:LONGEST] + END)

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._pipe is not None:
            self.now("")  # all is well
            os.close(self._pipe)
            os.waitpid(self._child, 0)
            self._pipe = None


def _wait(reading: int, writing: int) -> None:
    """The life of the child; does not return."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(writing)
        text = b""
        while chunk := os.read(reading, LONGEST):
            text = (text + chunk)[-2 * LONGEST :]
        sentence = text[:-1].rpartition(END)[2] if text.endswith(END) else b""
        if sentence:
            os.write(2, sentence + END)
    finally:
        os._exit(0)
