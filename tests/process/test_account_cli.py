"""The account from the shell as its user meets it: what it prints, where it asks, on an exchange and on paper."""

import asyncio
import json
import sqlite3
import subprocess
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_faults import Faults
from tests.fakes.exchange_house import now_ms
from tests.fakes.exchange_tls import Loop
from tests.process import program

SECRETS = ("key-of-the-test", "secret-of-the-test")


async def test_a_position_is_shown_and_closed_by_keys_alone(tmp_path: Path) -> None:
    core = Core(now=now_ms)
    async with Loop([BybitExchange(core, keys=SECRETS, faults=Faults())]) as loop:
        environment = {
            "GAVEL_VENUE": "bybit",
            "GAVEL_MODE": "live",
            "BYBIT_API_KEY": SECRETS[0],
            "BYBIT_API_SECRET": SECRETS[1],
            "GAVEL_VENUE_LOOPBACK": f"127.0.0.1:{loop.port}",
            "GAVEL_VENUE_CA": str(loop.ca),
        }

        async def gavel(*args: str, typed: str = "") -> subprocess.CompletedProcess[str]:
            done = await asyncio.to_thread(program.run, *args, cwd=tmp_path, typed=typed, **environment)
            shown = done.stdout + done.stderr
            assert "Traceback" not in shown, shown
            assert not [secret for secret in SECRETS if secret in shown]
            return done

        size = Decimal("0.01")
        core.place(native="BTCUSDT", side="BUY", direction="LONG", kind="MARKET", quantity=size, client_id="gv-a-e0")
        shown = await gavel("positions")
        assert shown.stdout.startswith("BTC long 0.01, entry ")
        assert "stop MISSING" in shown.stdout
        nobody = await gavel("close", "BTC")
        assert (nobody.returncode, "Aborted" in nobody.stderr) == (1, True)
        assert core.positions
        done = await gavel("close", "btc", typed="BTC\n")
        assert done.returncode == 0, done.stderr
        assert "BTC long: 0.01 of 0.01 closed at " in done.stdout
        assert not core.positions
    assert await asyncio.to_thread(lambda: not list(tmp_path.iterdir())), "no database is needed, none is made"


def test_on_paper_its_file_is_read_and_closing_is_for_the_chat(tmp_path: Path) -> None:
    def paper(*args: str) -> subprocess.CompletedProcess[str]:
        return program.run(*args, cwd=tmp_path)

    assert "no paper account" in paper("positions").stderr
    program.candles(tmp_path / "candles", 60)
    (tmp_path / "busy.toml").write_text(program.BUSY.replace('max_hold = "30m"', 'max_hold = "30d"'))
    demo = paper("demo", "--history", "candles", "--playbook", "busy.toml", "--data-dir", "data", "--json")
    assert demo.returncode == 0, demo.stderr
    with closing(sqlite3.connect(tmp_path / "data" / "paper.db")) as account:
        (held,) = account.execute("SELECT count(*) FROM rows WHERE kind = 'position'").fetchone()
    found = json.loads(paper("positions", "--json").stdout)["positions"]
    assert len(found) == held
    assert all(position["stop"] and position["target"] for position in found)
    assert paper("orders").returncode == 0
    done = paper("close", "--all", "--yes")
    assert done.returncode == 1
    assert "/close" in done.stderr
