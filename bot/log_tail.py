"""The last lines of this process's log, for who asks in a chat."""

import logging
from collections import deque
from collections.abc import Sequence


class LogTail(logging.Handler):
    """Keeps the newest `most` lines. What is secret has been masked before a handler sees it, see redaction.py."""

    def __init__(self, most: int = 500) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=most)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)

    def last(self, n: int) -> Sequence[str]:
        """Oldest first."""
        return tuple(self._lines)[-n:]
