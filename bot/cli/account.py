"""The account from the shell, for the day on which no chat answers: look at it, tidy it, close it.

With GAVEL_MODE=live they talk to the exchange itself: no desk and no database is needed, and one that runs may go on.
On paper the account's file is read. Exit code 0: done; 1: something is not as it was asked for, and it is said.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import click

from bot.cli.options import DATA_DIR, FAILED, STOPPED, guarded, own_directory, quiet
from bot.cli.options import settings as read_settings

JSON = click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
ACCOUNT = "paper.db"
ON_PAPER = "on paper orders belong to the desk: start it (gavel run), and use /close or /flatten in the chat"


@click.command()
@JSON
@DATA_DIR
def positions(data_dir: Path | None, *, as_json: bool) -> None:
    """What is open: size, entry, mark, P&L, liquidation, stop and target, or that one is MISSING."""
    _exit_with(lambda: _show(data_dir, "positions", as_json=as_json))


@click.command()
@JSON
@DATA_DIR
def orders(data_dir: Path | None, *, as_json: bool) -> None:
    """Every order that may still do something."""
    _exit_with(lambda: _show(data_dir, "orders", as_json=as_json))


@click.command()
@JSON
@YES
def cleanup(*, as_json: bool, yes: bool) -> None:
    """Cancel the desk's orders on instruments where nothing is open. Lists them first, and asks. Live only."""
    _exit_with(lambda: _cleanup(as_json=as_json, yes=yes))


@click.command()
@click.argument("symbol", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that is open on the account.")
@JSON
@YES
def close(symbol: str | None, *, everything: bool, as_json: bool, yes: bool) -> None:
    """Close SYMBOL (BTC), or --all, at market and reduce-only, by the exchange's own size; then cancel what is left on
    it, and say what was filled. Live only."""
    if (symbol is None) is not everything:
        raise click.UsageError("name one SYMBOL, or --all")
    _exit_with(lambda: _close(symbol, as_json=as_json, yes=yes))


def _exit_with(work: Callable[[], Awaitable[int]]) -> None:
    async def run() -> int:
        return await work()

    sys.exit(guarded(lambda: asyncio.run(run())))


# --- the work ---------------------------------------------------------------------------------------------------------


async def _show(data_dir: Path | None, what: str, *, as_json: bool) -> int:
    from bot import at_exchange
    from bot.render import account as words

    settings = read_settings()
    quiet(settings)
    of_venue: dict[str, Any] = {"positions": at_exchange.standing, "orders": at_exchange.orders}
    on_paper: dict[str, Any] = {"positions": at_exchange.paper_standing, "orders": at_exchange.paper_orders}
    if settings.mode == "live":
        async with _account(settings) as line:
            found = await of_venue[what](line.profile)
    else:
        found = on_paper[what](_paper(data_dir or own_directory(settings)))
    if as_json:
        shown = words.positions_json(found) if what == "positions" else words.orders_json(found)
        click.echo(json.dumps(shown))
        return STOPPED
    lines = map(words.position_line, found) if what == "positions" else map(words.order_line, found)
    click.echo("\n".join(lines) or ("nothing is open" if what == "positions" else "no order is working"))
    return STOPPED


async def _cleanup(*, as_json: bool, yes: bool) -> int:
    from bot import at_exchange
    from bot.render.account import order_line

    async with _account(_live()) as line:
        found = await at_exchange.left_over(line.profile)
        for seen in found:
            click.echo(order_line(at_exchange.as_working(seen)), err=as_json)
        if found and not yes:
            _agree("yes", f"cancel {'these' if len(found) > 1 else 'it'}")
        still = {seen.id for seen in await at_exchange.left_over(line.profile)} if found else set()
        gone, faults = await at_exchange.cancel_all(line.profile, [seen for seen in found if seen.id in still])
    if as_json:
        click.echo(json.dumps({"cancelled": list(gone), "faults": list(faults)}))
    else:
        click.echo("\n".join((f"{len(gone)} cancelled" if found else "nothing is left over", *faults)))
    return FAILED if faults else STOPPED


async def _close(symbol: str | None, *, as_json: bool, yes: bool) -> int:
    from bot import at_exchange
    from bot.closing import close_all
    from bot.render import account as words
    from trading.clock import SystemClock
    from trading.model import base_of

    settings = _live()
    async with _account(settings) as line:
        held = [h for h in await at_exchange.standing(line.profile) if symbol is None or _is(symbol, h.symbol)]
        for each in held:
            click.echo(words.position_line(each), err=as_json)
        if held and not yes:
            _agree("ALL" if symbol is None else base_of(held[0].symbol), "close it" if symbol else "close all of it")
        done = await close_all(line.profile, [h.symbol for h in held], SystemClock())
    if as_json:
        click.echo(json.dumps(words.closed_json(done)))
    else:
        said = [text for each in done for text in words.closed_lines(each)]
        click.echo("\n".join(said) or f"nothing is open{f' on {symbol}' if symbol else ''}")
    return STOPPED if all(map(words.is_done, done)) else FAILED


# --- inside -----------------------------------------------------------------------------------------------------------


def _live() -> Any:
    """Raises Misuse on paper."""
    from trading.errors import Misuse

    settings = read_settings()
    quiet(settings)
    if settings.mode != "live":
        raise Misuse(ON_PAPER)
    return settings


@asynccontextmanager
async def _account(settings: Any) -> AsyncIterator[Any]:
    from bot.doctor_line import line_to
    from trading.clock import SystemClock
    from trading.errors import GavelError

    async with line_to(settings, SystemClock()) as line:
        with suppress(GavelError):  # what has to be said is said by what comes next
            await (line.trade or line.data).resync()
        yield line


def _paper(directory: Path) -> Any:
    from trading.errors import Misuse
    from trading.venues.paper_store import PaperStore

    path = directory / ACCOUNT
    if not path.is_file():
        raise Misuse(f"no paper account in {directory}; with GAVEL_MODE=live the exchange's own is shown")
    return PaperStore.look(path)


def _is(word: str, symbol: str) -> bool:
    """BTC, BTCUSDT, BTC/USDT and BTC/USDT:USDT are the same, in small letters too."""
    pair = symbol.partition(":")[0]
    names = symbol, pair, pair.replace("/", ""), pair.partition("/")[0]
    return word.casefold() in (name.casefold() for name in names)


def _agree(word: str, what: str) -> None:
    """Raises Abort for anything else, and where nobody can answer."""
    if click.prompt(f"Type {word} to {what}", err=True).strip().casefold() != word.casefold():
        click.echo("nothing was done", err=True)
        raise click.Abort
