"""A desk whose panel asks models over a wire: all of them at once, and nobody else waits for what they say."""

import asyncio
from decimal import Decimal
from typing import Any

from tests.builders import BTC, NOW
from tests.contract.test_switchboard import GROK, SEARCHES, Line, a_line
from tests.desks import Bench, a_desk, a_house, a_series
from tests.fakes.ledger import MemoryLedger
from trading.bench import Bench as Judges
from trading.clock import ManualClock
from trading.decision import Abstention, Action, Denied, Opinion, Ruling
from trading.events import DecisionMade, OrderSent
from trading.messages import Decide
from trading.model import ExitReason, Leg, Symbol
from trading.personas.ballots import LiveBallots
from trading.personas.council import Council
from trading.personas.sentiment import Sentiment
from trading.playbook import Playbook
from trading.running import Panel

D = Decimal
BASES = ("ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC", "LINK")
PAIRS = tuple(Symbol(f"{base}/USDT:USDT") for base in BASES)
COUNCIL = (GROK, "google/gemini-3.8-flash", "deepseek/deepseek-v4-flash")
CALLS = len(PAIRS) * (1 + len(COUNCIL))
MARKED = ("regime", "setup", "on_chain", "macro", "reward", "timing", "institutions")


def a_talking_house(within: str = "30s", **judge: Any) -> Playbook:
    seats = {
        "sentiment": {"weight": 1, "model": SEARCHES, "answer_within": within},
        "council": {"weight": 1, "models": COUNCIL, "answer_within": within},
    }
    return a_house(universe=("BTC", *BASES), panel=seats, judge={"min_confidence": D("0.3"), **judge})


def talking(line: Line, playbook: Playbook) -> Panel:
    wall, seats = ManualClock(NOW), playbook.panel
    sentiment = Sentiment(seats["sentiment"], line.board, name_of_model=SEARCHES, wall=wall, universe=playbook.universe)
    council = Council(seats["council"], LiveBallots(line.board, seats["council"]))
    judges = Judges(playbook.judge, playbook.validation, line.board) if playbook.judge.model else None
    return Panel(personas={"sentiment": sentiment, "council": council}, off={}, bench=judges)


async def a_talking_desk(line: Line, playbook: Playbook, btc: list[float]) -> Bench:
    """It holds a long of BTC, and is about to ask models about eight other pairs."""
    for name, provider in line.board._providers.items():  # their clients take a moment to load
        line.board.models = line.board.models.priced(name, await provider.models())
    series = [a_series(btc), *(a_series([100] * len(btc), symbol=symbol) for symbol in PAIRS)]
    bench = await a_desk(*series, playbook=playbook)
    await bench.enter(BTC)
    bench.desk.cycle.use(bench.desk.playbook, talking(line, playbook))
    bench.desk.running.panel = bench.desk.cycle.panel
    bench.desk.patient = False  # time goes on by itself, as at a venue
    return bench


async def settled(there: Any) -> None:
    async with asyncio.timeout(20):
        while not there():  # noqa: ASYNC110 - another server's requests: nothing to be woken by
            await asyncio.sleep(0.01)


def a_mood(stance: str = "LONG", confidence: float = 0.9) -> dict[str, Any]:
    return {"reasoning": "The news are good.", "confidence": confidence, "stance": stance}


def a_ballot(**changes: Any) -> dict[str, Any]:
    marks = dict.fromkeys(MARKED, "BULLISH") | {f"{key}_reason": "it is up [E1]" for key in MARKED}
    return {"thesis": "Up.", **marks, "invalidation": 99.0, "confidence": 0.8, "signal": "BUY", **changes}


async def test_every_model_is_asked_at_once_and_an_exit_in_the_middle_of_it_waits_for_nobody() -> None:
    async with a_line(MemoryLedger(), at_once=64) as line:
        bench = await a_talking_desk(line, a_talking_house("4s"), [60000, 60000, 58000, 58000, 58000, 58000])
        for server, said in ((line.gemini, a_mood()), (line.openrouter, a_ballot())):
            server.reply = lambda _, said=said: said
            server.fault("hang", times=99)
        await bench.desk.obey(Decide(symbols=PAIRS, trigger="schedule"))
        await settled(lambda: len(line.gemini.requests) + len(line.openrouter.requests) == CALLS)
        assert not bench.told(DecisionMade)[1:], "none of them has been answered"
        await bench.step(2)  # BTC falls through its stop
        (trade,) = bench.trades
        assert trade.reason is ExitReason.STOP_LOSS
        assert not bench.told(DecisionMade)[1:], "and the panel still thinks"
        await settled(lambda: len(bench.told(DecisionMade)) == 1 + len(PAIRS))
        for made in bench.told(DecisionMade)[1:]:
            assert made.decision.verdict.action is Action.WAIT
            assert all(isinstance(o, Abstention) and o.failed for o in made.decision.opinions)
            assert len(made.decision.exchanges) == 4, "what was tried stands in the record"
        assert len(bench.told(OrderSent)) == len([o for o in bench.told(OrderSent) if o.order.symbol == BTC])
        await bench.kill()


async def test_what_they_say_becomes_votes_a_judge_may_stop_and_code_trades() -> None:
    playbook = a_talking_house(model=SEARCHES)
    async with a_line(MemoryLedger(), at_once=64) as line:
        bench = await a_talking_desk(line, playbook, [60000] * 12)
        line.openrouter.reply = lambda _: a_ballot()
        line.gemini.reply = lambda asked: a_mood() if asked.searching else _ruled(asked.user)
        bench.desk.patient = True
        await bench.desk.obey(Decide(symbols=PAIRS, trigger="schedule"))
        await bench.desk.settle()
        made = {e.decision.symbol: e.decision for e in bench.told(DecisionMade)[1:]}
        assert len(made) == len(PAIRS)
        for symbol, decision in made.items():
            assert all(isinstance(o, Opinion) for o in decision.opinions), decision.opinions
            (ruling,) = decision.rulings
            assert isinstance(ruling, Ruling)
            assert len(decision.exchanges) == 5
            assert decision.verdict.action is (Action.WAIT if symbol == PAIRS[0] else Action.LONG)
        entries = {o.symbol: o for o in bench.trouble.sent(Leg.ENTRY)[1:]}
        assert entries.keys() == {s for s, d in made.items() if d.approved}
        asked = [a.rule for a in next(d for d in made.values() if d.approved).gate.answers]  # type: ignore[union-attr]
        assert {"thought in time", "price as decided"} <= set(asked)


def _ruled(prompt: str) -> dict[str, Any]:
    """The judge has its doubts about ETH."""
    side = "WAIT" if "ETH" in prompt else "LONG"
    return {"reasoning": "As the votes say.", "confidence": 0.9, "side": side}


async def test_a_verdict_about_a_market_of_long_ago_is_not_traded() -> None:
    """The panel was asked, and 90 seconds of market time go by until the last of it has answered."""
    async with a_line(MemoryLedger(), at_once=64) as line:
        bench = await a_talking_desk(line, a_talking_house(), [60000] * 120)
        line.openrouter.reply = lambda _: a_ballot()
        line.gemini.answer(json=a_mood(), delay=0.3)
        await bench.desk.obey(Decide(symbols=PAIRS[:1], trigger="schedule"))
        await bench.step(95)
        assert not bench.told(DecisionMade)[1:]
        await settled(lambda: len(bench.told(DecisionMade)) == 2)
        gate = bench.told(DecisionMade)[1].decision.gate
        assert isinstance(gate, Denied)
        assert gate.rule == "thought in time"
