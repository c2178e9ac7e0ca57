"""Pickles of others, walked through by Python's own unpickler: no more memory is taken than the file is large.

The C one makes room for whatever place of its memo, or length of a text, a file names: 4 GB for 9 damaged bytes.
"""

from __future__ import annotations

import pickle
import sys
from typing import IO, Any, Callable, ClassVar

STEPS: dict[int, Any] = dict(pickle._Unpickler.dispatch)  # opcode -> what Python's unpickler does
LONGEST = 2**26  # bytes of one text or number
GAP = 2**16  # places of the memo that a pickle may leave out


class Memo(list[Any]):
    """The unpickler's memo: its keys are 0, 1, 2, ..., and a list needs a tenth of a dict's memory."""

    def __setitem__(self, place: Any, value: Any) -> None:
        if place > len(self) + GAP:
            raise pickle.UnpicklingError(f"it remembers something at place {place} after {len(self)}")
        self.extend([None] * (place + 1 - len(self)))
        super().__setitem__(place, value)


class BoundedUnpickler(pickle._Unpickler):
    """Raises UnpicklingError where a length or a place is out of all proportion; texts are interned.

    >>> import io
    >>> BoundedUnpickler(io.BytesIO(pickle.dumps({"a": [1, 2.5]}))).load()
    {'a': [1, 2.5]}
    >>> BoundedUnpickler(io.BytesIO(b"X" + bytes([0, 0, 0, 32]) + b"ab")).load()
    Traceback (most recent call last):
    _pickle.UnpicklingError: it names 536870912 bytes at once
    """

    dispatch: ClassVar[dict[int, Any]] = dict(STEPS)
    stack: list[Any]  # of the unpickler
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]
    _unframer: Any

    def __init__(self, stream: IO[bytes], encoding: str = "latin1"):
        super().__init__(stream, encoding=encoding)
        self.memo = Memo()

    def persistent_load(self, pid: object) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")

    def _long(self, width: int) -> bytes:
        return self.read(self._length(width))

    def _length(self, width: int) -> int:
        length = int.from_bytes(self.read(width), "little")
        if length > LONGEST:
            raise pickle.UnpicklingError(f"it names {length} bytes at once")
        return length

    def load_short_binunicode(self) -> None:  # with the next one what most of a file is
        read = self.read
        self.stack.append(sys.intern(str(read(read(1)[0]), "utf-8", "surrogatepass")))

    def load_binunicode(self) -> None:
        self.stack.append(sys.intern(str(self._long(4), "utf-8", "surrogatepass")))

    def load_binunicode8(self) -> None:
        self.stack.append(sys.intern(str(self._long(8), "utf-8", "surrogatepass")))

    def _bytes(self, width: int) -> None:
        self.stack.append(self._long(width))

    def load_binstring(self) -> None:
        self.stack.append(str(self._long(4), "latin1"))

    def load_long4(self) -> None:
        self.stack.append(pickle.decode_long(self._long(4)))

    def load_bytearray8(self) -> None:
        self.stack.append(bytearray(self._long(8)))

    def load_frame(self) -> None:
        self._unframer.load_frame(self._length(8))

    dispatch[pickle.SHORT_BINUNICODE[0]] = load_short_binunicode
    dispatch[pickle.BINUNICODE[0]] = load_binunicode
    dispatch[pickle.BINUNICODE8[0]] = load_binunicode8
    dispatch[pickle.BINBYTES[0]] = lambda self: self._bytes(4)
    dispatch[pickle.BINBYTES8[0]] = lambda self: self._bytes(8)
    dispatch[pickle.BINSTRING[0]] = load_binstring
    dispatch[pickle.LONG4[0]] = load_long4
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.FRAME[0]] = load_frame
