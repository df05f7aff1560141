"""Secrets never reach a log: not in a message, not in its arguments, not in a traceback, not at DEBUG."""

import logging
import re
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

MASK = "***"
SHORTEST = 4  # characters; anything shorter would blot out ordinary words

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class Redactor:
    """Replaces every registered secret, as it stands and as it stands in a URL."""

    def __init__(self, secrets: Iterable[SecretStr | str]) -> None:
        plain = {s.get_secret_value() if isinstance(s, SecretStr) else s for s in secrets}
        known = {form for s in plain if len(s) >= SHORTEST for form in (s, quote(s, safe=""), repr(s)[1:-1])}
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def text(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    def record(self, record: logging.LogRecord) -> logging.LogRecord:
        """The same record, without secrets."""
        self._message(record)
        self._traceback(record)
        if record.stack_info:
            record.stack_info = self.text(record.stack_info)
        for name in record.__dict__.keys() - _OWN:  # what `extra=` added
            value = record.__dict__[name]
            if (clean := self.text(str(value))) != str(value):
                record.__dict__[name] = clean
        return record

    def _message(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError, IndexError):
            # Logging itself would print the faulty record, arguments and all.
            said = f"{record.msg!r} with arguments {record.args!r} (cannot be formatted)"
            record.msg, record.args = said, None
        if (clean := self.text(said)) != said:
            record.msg, record.args = clean, None

    def _traceback(self, record: logging.LogRecord) -> None:
        if record.exc_text:
            record.exc_text = self.text(record.exc_text)
        if not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
            return
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (clean := self.text(told)) != told:
            record.exc_text, record.exc_info = clean, None  # a formatter prints exc_text as it finds it


class RedactingFilter(logging.Filter):
    """For handlers: sees what was added to a record after it was made."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        self._redactor.record(record)
        return True


def install(secrets: Iterable[SecretStr | str]) -> Callable[[], None]:
    """From now on every log record is free of `secrets`, whichever logger and handler it passes. Returns the undoing.

    Records are cleaned where they are made, so that handlers added later are covered too; the filter on the root's
    handlers cleans what `extra` brings in after that.
    """
    redactor = Redactor(secrets)
    inner = logging.getLogRecordFactory()
    guard = RedactingFilter(redactor)
    handlers = tuple(logging.getLogger().handlers)

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return redactor.record(inner(*args, **kwargs))

    def undo() -> None:
        if logging.getLogRecordFactory() is make:
            logging.setLogRecordFactory(inner)
        for handler in handlers:
            handler.removeFilter(guard)

    logging.setLogRecordFactory(make)
    for handler in handlers:
        handler.addFilter(guard)
    return undo
