"""Lines of ``results.jsonl``: a record with a checksum, which tells what was edited or torn from what was not."""

from __future__ import annotations

import json
import zlib
from typing import Any, Optional

CHECK = "crc32"
Record = dict[str, Any]


def line_of(record: Record) -> bytes:
    """With its checksum and the end of the line.

    >>> line_of({"arch": "5", "score": 0.5})
    b'{"arch": "5", "score": 0.5, "crc32": "4be859d8"}\\n'
    """
    return (json.dumps({**record, CHECK: _checksum(record)}) + "\n").encode()


def record_of(line: bytes) -> Optional[Record]:
    """Without its checksum; None for a line that is no JSON object or whose checksum does not fit.

    Lines of versions before 0.2 have none and are believed.

    >>> record_of(line_of({"score": 0.5})), record_of(line_of({"score": 0.5}).replace(b"0.5", b"0.9"))
    ({'score': 0.5}, None)
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    check = found.pop(CHECK, None)
    return found if check is None or check == _checksum(found) else None


def _checksum(record: Record) -> str:
    return f"{zlib.crc32(json.dumps(record).encode()):08x}"
