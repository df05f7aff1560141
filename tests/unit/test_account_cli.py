"""The account from the shell, against emulated exchanges: the commands themselves, real keys, real TLS."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import gavel
from tests.fakes.exchange_core import Core, Refused
from tests.fakes.exchange_house import NAMES, an_exchange
from tests.fakes.exchange_tls import Loop

BTC = "BTCUSDT"
OURS = "gv-" + "a" * 24
SECRETS = ("key-of-the-test", "secret-of-the-test", "phrase-of-the-test")


@dataclass
class Shell:
    """`gavel`, with the keys of one emulated exchange."""

    name: str
    front: Any
    place: Path
    environment: dict[str, str]

    @property
    def core(self) -> Core:
        core: Core = self.front.core
        return core

    async def run(self, *args: str, typed: str = "") -> Result:
        """In a thread with an event loop of its own, as in a process of its own."""
        runner = CliRunner(env=self.environment)
        done = await asyncio.to_thread(runner.invoke, gavel, list(args), input=typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert not [secret for secret in SECRETS if secret in done.output]
        return done

    async def json(self, *args: str) -> Any:
        done = await self.run(*args, "--json")
        return json.loads(done.stdout)

    def open(self, quantity: str = "0.01", *, client_id: str = f"{OURS}-e0", guards: bool = True) -> None:
        """A long in BTC, as a desk has left it: with a stop and a target, or without."""
        with suppress(Refused):  # it is so already
            self.core.set_margin(BTC, "ISOLATED")
        size = Decimal(quantity)
        self.core.place(native=BTC, side="BUY", direction="LONG", kind="MARKET", quantity=size, client_id=client_id)
        if guards:
            self.guard("STOP_MARKET", "0.9", f"{OURS}-s0", size)
            self.guard("TAKE_PROFIT_MARKET", "1.1", f"{OURS}-t0", size)

    def guard(self, kind: Any, at: str, client_id: str, size: Decimal) -> None:
        level = self.core.mark(BTC) * Decimal(at)
        level -= level % self.core.specs[BTC].tick
        self.core.place(
            native=BTC,
            side="SELL",
            direction="LONG",
            kind=kind,
            quantity=size,
            client_id=client_id,
            trigger=level,
            reduce_only=True,
        )

    def rest(self, client_id: str) -> None:
        """An entry that waits far below."""
        price = self.core.mark(BTC) * Decimal("0.8")
        price -= price % self.core.specs[BTC].tick
        size = Decimal("0.01")
        self.core.place(
            native=BTC, side="BUY", direction="LONG", kind="LIMIT", quantity=size, client_id=client_id, price=price
        )


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.cli.account.quiet", lambda _: None)  # logging is the whole process's
    monkeypatch.setattr("bot.closing.LOOKS", (0.05, 0.1, 0.2, 0.3))


@asynccontextmanager
async def a_shell(name: str, place: Path, **core: Any) -> AsyncIterator[Shell]:
    front = an_exchange(name, **core)
    kind = type(front)
    keys = SECRETS if name == "weex" else SECRETS[:2]
    front = kind(front.core, keys=keys, faults=front.faults)
    upper = name.upper()
    async with Loop([front]) as loop:
        yield Shell(
            name,
            front,
            place,
            {
                "GAVEL_VENUE": name,
                "GAVEL_MODE": "live",
                f"{upper}_API_KEY": SECRETS[0],
                f"{upper}_API_SECRET": SECRETS[1],
                "WEEX_API_PASSPHRASE": SECRETS[2],
                "GAVEL_VENUE_LOOPBACK": f"127.0.0.1:{loop.port}",
                "GAVEL_VENUE_CA": str(loop.ca),
            },
        )


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_open_is_shown_with_its_guards_and_closed_by_typing_its_name(name: str, tmp_path: Path) -> None:
    async with a_shell(name, tmp_path) as shell:
        assert (await shell.run("positions")).stdout == "nothing is open\n"
        shell.open()
        shown = (await shell.run("positions")).stdout
        assert shown.startswith("BTC long 0.01, entry ")
        assert "MISSING" not in shown
        (held,) = (await shell.json("positions"))["positions"]
        mark = shell.core.mark(BTC)
        assert Decimal(held["quantity"]) == Decimal("0.01")
        assert Decimal(held["stop"]) < mark < Decimal(held["target"])
        assert len((await shell.json("orders"))["orders"]) == 2

        refused = await shell.run("close", "BTC", typed="no\n")
        assert (refused.exit_code, "nothing was done" in refused.stderr) == (1, True)
        assert (await shell.run("close", "BTC")).exit_code == 1, "nobody there to answer"
        assert shell.core.positions

        done = await shell.run("close", "btcusdt", typed="btc\n")
        assert done.exit_code == 0, done.stdout + done.stderr
        assert "BTC long: 0.01 of 0.01 closed at " in done.stdout
        assert "fee" in done.stdout
        assert not shell.core.positions
        assert not shell.core.working()
        assert (await shell.run("close", "BTC", "--yes")).stdout == "nothing is open on BTC\n"


async def test_a_missing_stop_is_shouted(tmp_path: Path) -> None:
    async with a_shell("binance", tmp_path) as shell:
        shell.open(guards=False)
        shown = (await shell.run("positions")).stdout
        assert "stop MISSING, target MISSING" in shown


@pytest.mark.parametrize("name", NAMES)
async def test_cleanup_cancels_what_is_ours_where_nothing_is_open_and_nothing_else(name: str, tmp_path: Path) -> None:
    async with a_shell(name, tmp_path) as shell:
        assert (await shell.run("cleanup", "--yes")).stdout == "nothing is left over\n"
        shell.rest(f"{OURS}-e0")
        shell.rest("web-1")
        assert (await shell.run("cleanup", typed="no\n")).exit_code == 1
        assert len(shell.core.working()) == 2
        done = await shell.run("cleanup", typed="yes\n")
        assert done.exit_code == 0, done.stdout + done.stderr
        assert f"{OURS}-e0" in done.stdout
        assert "1 cancelled" in done.stdout
        assert [order.client_id for order in shell.core.working()] == ["web-1"]
        shell.open(client_id=f"{OURS}-e1")
        assert (await shell.json("cleanup", "--yes")) == {"cancelled": [], "faults": []}
        assert len(shell.core.working()) == 3, "what guards an open position is not left over"


@pytest.mark.parametrize("kind", ["drop after", "500 after"])
@pytest.mark.parametrize(
    ("name", "path"), [("binance", "/fapi/v1/order"), ("bybit", "/v5/order/create"), ("weex", "/capi/v3/order")]
)
async def test_a_close_whose_answer_is_lost_is_looked_up_and_sent_once(
    name: str, path: str, kind: Any, tmp_path: Path
) -> None:
    async with a_shell(name, tmp_path) as shell:
        shell.open()
        shell.front.faults.add(kind, match=path, method="POST")
        (done,) = (await shell.json("close", "--all", "--yes"))["closed"]
        assert (done["filled"], done["left"], done["faults"]) == (done["asked"], "0", [])
        sent = [call for call in shell.front.requests if call.method == "POST" and call.path == path]
        assert len(sent) == 1
        assert not shell.core.positions


async def test_a_close_that_never_arrived_says_that_it_is_not_known(tmp_path: Path) -> None:
    async with a_shell("bybit", tmp_path) as shell:
        shell.open()
        shell.front.faults.add("drop before", match="/v5/order/create", method="POST")
        done = await shell.run("close", "BTC", "--yes")
        assert done.exit_code == 1
        assert "is not known" in done.stdout
        assert "0.01 is still open, and its stop was left alone" in done.stdout
        assert len(shell.core.working()) == 2
        assert (await shell.run("close", "BTC", "--yes")).exit_code == 0


async def test_what_is_larger_than_one_market_order_goes_in_several(tmp_path: Path) -> None:
    async with a_shell("bybit", tmp_path, wallet=Decimal(10**9)) as shell:
        most = shell.core.specs[BTC].max_market
        for number in range(2):
            shell.open(str(most), client_id=f"{OURS}-e{number}", guards=False)
        shell.open("0.5", client_id=f"{OURS}-e2", guards=False)
        (done,) = (await shell.json("close", "BTC", "--yes"))["closed"]
        assert Decimal(done["filled"]) == 2 * most + Decimal("0.5")
        assert not shell.core.positions
