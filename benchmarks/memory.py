"""How much memory three exchanges cost: our way, and ccxt's own way beside it.

    python -m benchmarks.memory [--markets 650]

The emulated WEEX, Binance and Bybit run in this process, on loopback, each listing that many instruments. Every figure
is the resident memory of a fresh process that talks to them, beside that of a bare interpreter. "Ours" loads three
classes of ccxt, opens the clients, reads all listings and keeps eight, and sets up the streams' markets; "plain"
imports ccxt.pro and lets it load its markets.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

LIMIT = 100.0  # MiB, of the exchange part
BASES = ("BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC")
SECRETS = {"apiKey": "key", "secret": "secret", "password": "pass"}
Note = Callable[[str], None]


def resident() -> float:
    """MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def ignore(message: Any) -> None: ...


async def ours(port: int, ca: Path, note: Note) -> None:
    from trading.clock import SystemClock
    from trading.venues.exchange.client import open_clients
    from trading.venues.exchange.hosts import Loopback
    from trading.venues.exchange.loading import is_lean
    from trading.venues.exchange.registry import DIALECTS

    note("our own code imported")
    opened: list[Any] = []
    kept = 0
    for name, dialect in DIALECTS.items():
        keys = {secret: SECRETS[secret] for secret in dialect.secrets}
        loopback = Loopback(port=port, ca=ca)
        data, trade = open_clients(dialect, keys=keys, practice="", loopback=loopback, clock=SystemClock())
        assert trade is not None
        opened += [data, trade]
        for client in (data, trade):
            await client.resync()
        profile = dialect.profile(data, trade, practice="")
        listings = await profile.listings(BASES, "USDT")
        for client in (data, trade):
            dialect.markets(client.stream(ignore), listings.values())
        kept += len(listings)
        note(f"{name}: listings read")
    note(f"{kept} instruments kept" + ("" if is_lean() else ", ccxt loaded whole"))
    for client in opened:
        await client.close()


async def plain(port: int, ca: Path, note: Note) -> None:
    import ccxt.pro

    from trading.venues.exchange.hosts import Loopback, session

    note("ccxt.pro imported")
    for name in ("weex", "binanceusdm", "bybit"):
        options = {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}
        domains = (".weex.com", ".binance.com", ".bybit.com")
        async with session(domains, Loopback(port=port, ca=ca)) as through:
            exchange = getattr(ccxt.pro, name)({"session": through, "options": options, "enableRateLimit": False})
            if name == "weex":
                markets = await exchange.contractGetCapiV3MarketExchangeInfo()
                exchange.set_markets(exchange.parse_markets(markets["symbols"]))
            else:
                exchange.has["fetchCurrencies"] = False
                await exchange.load_markets()
            note(f"{name}: {len(exchange.markets)} markets loaded")
            kept.append(exchange)
            await exchange.close()


kept: list[Any] = []  # so that the plain exchanges live until the last figure


def child(way: str, port: int, ca: Path) -> None:
    steps: list[tuple[str, float, float]] = []

    def note(what: str) -> None:
        steps.append((what, resident(), peak()))

    note("bare interpreter with asyncio")
    ways: dict[str, Callable[[int, Path, Note], Awaitable[None]]] = {"ours": ours, "plain": plain}
    run: Any = ways[way](port, ca, note)
    asyncio.run(run)
    print(json.dumps(steps))


async def measure(markets: int) -> bool:
    from decimal import Decimal

    from tests.fakes.binance_exchange import BinanceExchange
    from tests.fakes.bybit_exchange import BybitExchange
    from tests.fakes.exchange_core import Core
    from tests.fakes.exchange_tls import Loop
    from tests.fakes.weex_exchange import WEEX_SPECS, WeexExchange

    def now() -> int:
        return int(time.time() * 1000)

    padding = markets - len(BASES)
    fronts = (
        WeexExchange(Core(WEEX_SPECS, wallet=Decimal(10_000), now=now, hedged=True), padding=padding),
        BinanceExchange(Core(now=now), padding=padding),
        BybitExchange(Core(now=now), padding=padding),
    )
    print(f"{markets} instruments on each of three exchanges; MiB resident (peak), and above a bare interpreter")
    async with Loop(fronts) as loop:
        results = {way: await in_a_process(way, loop.port, loop.ca) for way in ("ours", "plain")}
    for way, steps in results.items():
        print(f"\n{way}")
        for what, now_mib, peak_mib in steps:
            print(f"  {what:34} {now_mib:7.1f}  ({peak_mib:6.1f}) {now_mib - steps[0][1]:+8.1f}")
    part = max(step[2] for step in results["ours"]) - results["ours"][0][1]
    print(f"\nexchange part, our way, at its peak: {part:.1f} MiB; limit {LIMIT:.0f}")
    return part < LIMIT


async def in_a_process(way: str, port: int, ca: Path) -> list[tuple[str, float, float]]:
    command = [sys.executable, "-m", "benchmarks.memory", "--child", way, "--port", str(port), "--ca", str(ca)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the process for {way!r} failed")
    return [tuple(step) for step in json.loads(output.splitlines()[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=650)
    parser.add_argument("--child", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--ca", type=Path, default=Path(), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.port, given.ca)
    elif not asyncio.run(measure(given.markets)):
        raise SystemExit("over the limit")


if __name__ == "__main__":
    main()
