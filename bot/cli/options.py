"""What the commands of the shell have in common: types of their options, exit codes, how a fault is said."""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from trading.errors import GavelError
from trading.policies import parse_span

STOPPED, FAILED = 0, 1


class Speed(click.ParamType[float | str]):
    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """A number of market seconds per second, or "max"."""
        if value == "max":
            return "max"
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            self.fail(f'{value!r} is neither a number above 0 nor "max"', param, ctx)
        return number


class Span(click.ParamType[timedelta]):
    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        span = parse_span(value)
        if not isinstance(span, timedelta):
            self.fail(f"{value!r} is not a length of time like 5m or 1h", param, ctx)
        return span


class Since(click.ParamType[datetime | timedelta]):
    name = "time or span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """A moment, UTC where it names no zone, or a length of time back from the newest record."""
        span = parse_span(value)
        if isinstance(span, timedelta):
            return span
        try:
            at = datetime.fromisoformat(value)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a time like 2026-01-05 or 2026-01-05T10:00Z nor a span like 24h", param, ctx
            )


DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Database and records.")


def settings() -> Any:
    from bot.settings import read_settings

    return read_settings()


def guarded(work: Callable[[], int]) -> int:
    """Run, and say what only a person can mend in one line instead of a traceback."""
    try:
        return work()
    except GavelError as error:
        click.echo(f"gavel: {error}", err=True)
        return FAILED


def own_directory(settings: Any) -> Path:
    """Where the desk of these settings lives: each exchange and each mode has a folder of its own."""
    base: Path = settings.data_dir
    return base if settings.venue is None else base / str(settings.account_folder)


def quiet(settings: Any) -> None:
    """Nothing but errors beside what a command says, and no secret in them."""
    from bot import redaction

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    redaction.install(settings.secrets)
