"""The shell's watch over the desk: a second process that tells the chats when the desk is gone."""

import asyncio
import logging
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from bot.cli.options import DATA_DIR, FAILED, STOPPED, Span, guarded
from bot.cli.options import settings as read_settings

_LOOKS = timedelta(seconds=5)  # between two


@click.command()
@DATA_DIR
@click.option("--older", type=Span(), default="60s", help="How old its last sign of life may be.")
@click.option("--once", is_flag=True, help="Look once: 0 when the desk is alive, 1 when it is not.")
def watch(data_dir: Path | None, older: timedelta, once: bool) -> None:
    """Tell the chats, once and loudly, when the desk is gone, and once when it is back. Run it beside the desk, or on
    another machine that sees its data directory."""
    sys.exit(guarded(lambda: asyncio.run(_watch(data_dir, older, once=once))))


async def _watch(data_dir: Path | None, older: timedelta, *, once: bool) -> int:
    from bot.chats.rest import Rest
    from bot.watchman import Watchman
    from trading.clock import SystemClock

    settings = read_settings()
    _log_to_stderr(settings)
    rest = Rest(
        telegram=_secret(settings.telegram_token),
        discord=_secret(settings.discord_token),
        telegram_url=settings.telegram_base_url or "",
        discord_url=settings.discord_api_base or "",
    )
    others = _destinations(settings)
    if not others:
        click.echo("note: no chat has a token; only this terminal is told", err=True)

    async def tell(destination: str, card: Any, silent: bool) -> None:
        if destination.startswith("console:"):
            click.echo(card.plain())
        elif rest.reaches(destination):
            await rest.tell(destination, card, silent=silent)

    watchman = Watchman(
        data_dir or settings.data_dir, wall=SystemClock(), older=older, tell=tell, otherwise=("console:main", *others)
    )
    try:
        if once:
            return FAILED if await watchman.look(once=True) else STOPPED
        return await _for_ever(watchman)
    finally:
        await rest.close()


async def _for_ever(watchman: Any) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    while not stopping.is_set():
        await watchman.look()
        try:
            async with asyncio.timeout(_LOOKS.total_seconds()):
                await stopping.wait()
        except TimeoutError:
            continue
    return STOPPED


def _destinations(settings: Any) -> tuple[str, ...]:
    """Who is told while the desk itself has not said who: as its settings have it."""
    telegram = settings.telegram_users if settings.telegram_token else ()
    channel, people = settings.discord_channel, settings.discord_users
    discord = (str(channel),) if channel else tuple(f"@{user}" for user in people)
    return (*(f"telegram:{user}" for user in telegram), *(f"discord:{d}" for d in discord if settings.discord_token))


def _secret(value: Any) -> str:
    return value.get_secret_value() if value is not None else ""


def _log_to_stderr(settings: Any) -> None:
    from bot import redaction

    logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    secrets = (settings.telegram_token, settings.discord_token, settings.heartbeat_url)
    redaction.install([secret for secret in secrets if secret is not None])
