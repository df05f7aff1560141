"""What the terminal has shown: one JSON line a card, appended before it is shown, so that no restart shows it again."""

import os
from datetime import datetime
from pathlib import Path

import orjson

from bot.surface import ChatDown

_TAIL = 8 * 1024 * 1024  # bytes read back: far more than can be on its way when a process dies


class Transcript:
    """Append-only lines {key, at, text}. A line is written with one call, so a killed process leaves whole lines;
    a last line torn by a power cut is closed and its card shown again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._keys = self._read_back()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def _read_back(self) -> set[str]:
        size = os.fstat(self._fd).st_size
        start = max(0, size - _TAIL)
        tail = os.pread(self._fd, size - start, start)
        if tail and not tail.endswith(b"\n"):
            os.write(self._fd, b"\n")
        return {key for line in tail.split(b"\n") if (key := _key_of(line))}

    def add(self, key: str, at: datetime, text: str) -> None:
        """Raises ChatDown when the line could not be written; then the card was not shown."""
        line = orjson.dumps({"key": key, "at": at.isoformat(), "text": text}) + b"\n"
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            raise ChatDown(f"the transcript cannot be written: {error.strerror}") from error
        if written != len(line):
            self._close_torn_line()
            raise ChatDown("the transcript cannot be written: the disk is full")
        self._keys.add(key)

    def _close_torn_line(self) -> None:
        try:
            os.write(self._fd, b"\n")
        except OSError as error:
            raise ChatDown("the transcript cannot be written: the disk is full") from error

    def close(self) -> None:
        os.close(self._fd)


def _key_of(line: bytes) -> str | None:
    """None for a torn line, or the cut first line of the tail."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    key = entry.get("key") if isinstance(entry, dict) else None
    return key if isinstance(key, str) else None
