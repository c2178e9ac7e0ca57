"""Lines of ``results.jsonl``: a record with a checksum, which tells what was edited or torn from what was not."""

from __future__ import annotations

import json
import sys
import zlib
from typing import Any, Optional

CHECK = "crc32"
MARK = f', "{CHECK}": "'.encode()
Record = dict[str, Any]


def line_of(record: Record) -> bytes:
    """With its checksum and the end of the line; a record holds something.

    >>> line_of({"arch": "5", "score": 0.5})
    b'{"arch": "5", "score": 0.5, "crc32": "4be859d8"}\\n'
    """
    body = json.dumps(record).encode()
    return body[:-1] + _ending(body) + b"\n"


def record_of(line: bytes) -> Optional[Record]:
    """Without its checksum; None for a line that is no JSON object or whose checksum does not fit.

    Lines of versions before 0.2 have none and are believed.

    >>> record_of(line_of({"score": 0.5})), record_of(line_of({"score": 0.5}).replace(b"0.5", b"0.9"))
    ({'score': 0.5}, None)
    """
    start = line.rfind(MARK)
    body = line[:start] + b"}" if start > 0 else line
    if start > 0 and line[start:].rstrip() != _ending(body):
        return None
    try:
        found = json.loads(body)  # written by us: a repeated key is no question, and a million lines are read
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or CHECK in found:
        return None
    return {sys.intern(key): value for key, value in found.items()}  # a million records share their names


def _ending(body: bytes) -> bytes:
    """Of the line of a record whose JSON is ``body``."""
    return MARK + f'{zlib.crc32(body):08x}"}}'.encode()
