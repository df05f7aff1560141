"""What a terminal cannot show is kept as a file: pictures, and lists as CSV. For their owner's eyes only."""

import hashlib
import os
import re
from datetime import datetime
from pathlib import Path

_ODD = re.compile(r"[^A-Za-z0-9_-]+")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


def keep(directory: Path, name: str, content: bytes, at: datetime) -> Path:
    """Where it was written: `directory`/trades-20260105-093000-1f8a2b.csv for the name "trades.csv". Nothing is
    overwritten but the same content. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    given = Path(name)
    stem = _ODD.sub("-", given.stem).strip("-")[:40] or "file"
    suffix = given.suffix if _ENDING.fullmatch(given.suffix) else ""
    path = directory / f"{stem}-{at:%Y%m%d-%H%M%S}-{hashlib.sha256(content).hexdigest()[:6]}{suffix}"
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
    return path
