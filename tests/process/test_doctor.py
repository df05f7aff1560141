"""`gavel doctor` as its user meets it, and what live makes of it when it starts."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.bybit_exchange import BybitExchange
from tests.fakes.exchange_core import Core
from tests.fakes.exchange_faults import Faults
from tests.fakes.exchange_house import now_ms
from tests.fakes.exchange_tls import Loop
from tests.fakes.weex_exchange import WEEX_SPECS, WeexExchange
from tests.process import program

SECRETS = ("key-of-the-test", "secret-of-the-test", "phrase-of-the-test")
Gavel = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@asynccontextmanager
async def with_bybit(place: Path, **changed: str) -> AsyncIterator[tuple[Any, Gavel]]:
    front = BybitExchange(Core(now=now_ms), keys=SECRETS[:2], faults=Faults())
    async with Loop([front]) as loop:
        environment = {
            "GAVEL_VENUE": "bybit",
            "GAVEL_MODE": "live",
            "GAVEL_VENUE_LOOPBACK": f"127.0.0.1:{loop.port}",
            "GAVEL_VENUE_CA": str(loop.ca),
            "BYBIT_API_KEY": SECRETS[0],
            "BYBIT_API_SECRET": SECRETS[1],
            **changed,
        }

        async def gavel(*args: str) -> subprocess.CompletedProcess[str]:
            done = await asyncio.to_thread(program.run, *args, cwd=place, **environment)
            shown = done.stdout + done.stderr
            assert "Traceback" not in shown, shown
            assert not [secret for secret in (*SECRETS, *changed.values()) if secret in shown and len(secret) > 8]
            return done

        yield front, gavel


def grades(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {line["name"]: line["grade"] for line in json.loads(done.stdout)["findings"]}


async def test_a_desk_that_may_start_has_no_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with with_bybit(tmp_path) as (_, gavel):
        done = await gavel("doctor", "--json")
        assert done.returncode == 0, done.stdout
        found = grades(done)
        assert "error" not in found.values()
        assert {"exchange", "clock", "permissions of the key", "IP allow-list", "balance", "positions"} <= found.keys()
        assert {"database", "disk", "data directory", "Telegram", "Discord", "models of gemini"} <= found.keys()
    assert await asyncio.to_thread(lambda: not list(tmp_path.iterdir()))


async def test_live_does_not_start_with_an_error_and_says_how_to_mend_it(tmp_path: Path) -> None:
    async with with_bybit(tmp_path) as (front, gavel):
        front.permissions["permissions"]["Wallet"] = ["Withdraw"]
        shown = await gavel("doctor")
        assert shown.returncode == 1
        assert "error    permissions of the key" in shown.stdout
        assert shown.stdout.splitlines()[-1].startswith("1 error")
        refused = await gavel("run", "--data-dir", "data")
        assert refused.returncode == 1
        assert "make a key without the permission to withdraw" in refused.stderr
        assert "live does not start" in refused.stderr


async def test_a_wrong_key_an_exchange_that_is_down_and_a_wrong_token_are_lines_and_no_secret_is_in_them(
    tmp_path: Path,
) -> None:
    wrong = {"BYBIT_API_KEY": "wrong-key-of-somebody", "TELEGRAM_BOT_TOKEN": "123456:hush-hush-hush"}
    async with with_bybit(tmp_path, **wrong, TELEGRAM_BASE_URL="http://127.0.0.1:9/bot") as (front, gavel):
        done = await gavel("doctor", "--json")
        assert done.returncode == 1
        found = grades(done)
        assert [name for name, grade in found.items() if grade == "error"] == ["key", "people on Telegram"]
        assert found["Telegram"] == "warning", "it is not reached, which keeps no desk from starting"
        front.faults.add("500 before", times=None)
        down = await gavel("doctor")
        assert down.returncode == 1
        assert "error    exchange" in down.stdout


async def test_weex_without_a_passphrase_is_told_so(tmp_path: Path) -> None:
    front = WeexExchange(Core(specs=WEEX_SPECS, now=now_ms, hedged=True), keys=SECRETS, faults=Faults())
    async with Loop([front]) as loop:
        environment = {
            "GAVEL_VENUE": "weex",
            "GAVEL_MODE": "live",
            "GAVEL_VENUE_LOOPBACK": f"127.0.0.1:{loop.port}",
            "GAVEL_VENUE_CA": str(loop.ca),
            "WEEX_API_KEY": SECRETS[0],
            "WEEX_API_SECRET": SECRETS[1],
        }
        done = await asyncio.to_thread(program.run, "doctor", cwd=tmp_path, **environment)
        assert done.returncode == 1
        assert "credentials are missing: password" in done.stdout
        assert front.requests == []
