"""How long a round takes whose panel asks models, beside its slowest call; and an exit in the middle of it.

    python -m benchmarks.thinking [--delay 2] [--rounds 3]

Eight pairs, four calls each (SENTIMENT and a council of three), all through the real client libraries to stand-ins of
the providers, a process of their own on this machine, which take `--delay` seconds for each answer. In the middle of
each round the price of a ninth pair falls through its stop: the time from that quote until the venue is asked to close.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.builders import BTC, NOW
from tests.contract.test_switchboard import RICH
from tests.contract.test_thinking_aloud import BASES, CALLS, PAIRS, a_ballot, a_mood, a_talking_house, talking
from tests.desks import Bench, a_desk, a_series
from tests.fakes.gemini_api import KEY, GeminiApi
from tests.fakes.ledger import MemoryLedger
from tests.fakes.model_faults import Reply
from tests.fakes.openrouter_api import OpenRouterApi
from trading.clock import ManualClock
from trading.events import DecisionMade
from trading.llm.budget import Governor
from trading.llm.catalogue import Models
from trading.llm.gemini import Gemini
from trading.llm.openai_api import OpenAiApi
from trading.llm.provider import Provider
from trading.llm.switchboard import Switchboard
from trading.messages import Decide
from trading.model import Order


async def _serve(delay: float) -> None:
    """Answer until a line comes in."""
    async with GeminiApi() as gemini, OpenRouterApi() as openrouter:
        gemini.reply = lambda _: Reply(text=json.dumps(a_mood("NEUTRAL")), delay=delay)
        openrouter.reply = lambda _: Reply(text=json.dumps(a_ballot(signal="NONE", invalidation=0.0)), delay=delay)
        print(json.dumps([gemini.url, openrouter.url]), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


class _Line:
    """What `talking` wants of a line."""

    def __init__(self, board: Switchboard) -> None:
        self.board = board


async def _measured(rounds: int, urls: list[str]) -> None:
    wall = ManualClock(NOW)
    providers: dict[str, Provider] = {
        "gemini": Gemini(KEY, base_url=urls[0], wall=wall),
        "openrouter": OpenAiApi("openrouter", KEY, base_url=urls[1], wall=wall),
    }
    models = Models.load()
    for name, provider in providers.items():
        models = models.priced(name, await provider.models())
    governor = Governor(replace(RICH, hour=Decimal(999), day=Decimal(999), month=Decimal(999)), MemoryLedger(), wall)
    board = Switchboard(models=models, providers=providers, off={}, governor=governor, wall=wall, at_once=64)
    ratios, exits = [], []
    for _ in range(rounds):
        ratio, exit_ms = await _round(board)
        ratios.append(ratio)
        exits.append(exit_ms)
    for provider in providers.values():
        await provider.close()
    print(f"{CALLS} calls in a round of {len(BASES)} pairs")
    print(f"round / its slowest call         {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    print(f"quote -> request to close        median {statistics.median(exits):.2f} ms, longest {max(exits):.2f} ms")


async def _round(board: Switchboard) -> tuple[float, float]:
    series = [a_series([60000] * 60), *(a_series([100] * 60, symbol=symbol) for symbol in PAIRS)]
    playbook = a_talking_house()
    bench = await a_desk(*series, playbook=playbook)
    await bench.enter(BTC)
    panel: Any = talking(_Line(board), playbook)  # type: ignore[arg-type]
    bench.desk.cycle.use(bench.desk.playbook, panel)
    bench.desk.running.panel, bench.desk.patient = panel, False
    began = time.perf_counter()
    await bench.desk.obey(Decide(symbols=PAIRS, trigger="schedule"))
    await asyncio.sleep(1)
    exit_ms = await _exit(bench)
    while len(bench.told(DecisionMade)) < 1 + len(PAIRS):  # noqa: ASYNC110 - the journal wakes nobody
        await asyncio.sleep(0.001)
    took = time.perf_counter() - began
    made = [e.decision for e in bench.told(DecisionMade)[1:]]
    calls = [exchange for decision in made for exchange in decision.exchanges]
    assert len(calls) == CALLS
    assert not [call.reason for call in calls if call.lack]
    await bench.kill()
    return took / (max(call.latency_ms for call in calls) / 1000), exit_ms


async def _exit(bench: Bench) -> float:
    asked = asyncio.Event()

    async def seen(_: Order | None) -> None:
        asked.set()

    bench.trouble.on("submit", seen)
    fell = replace(bench.feed.quote(BTC), mark=Decimal(58000), bid=Decimal(58000), ask=Decimal(58000))
    began = time.perf_counter()
    bench.desk.on_quote(fell)
    await asked.wait()
    return (time.perf_counter() - began) * 1000


async def _main(delay: float, rounds: int) -> None:
    command = (sys.executable, "-m", "benchmarks.thinking", "--serve", "--delay", str(delay))
    pipe = asyncio.subprocess.PIPE
    async with AsyncExitStack() as stack:
        server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        stack.push_async_callback(server.wait)
        assert server.stdout is not None
        assert server.stdin is not None
        stack.callback(server.stdin.close)
        await _measured(rounds, json.loads(await server.stdout.readline()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asyncio.run(_serve(asked.delay) if asked.serve else _main(asked.delay, asked.rounds))


if __name__ == "__main__":
    main()
