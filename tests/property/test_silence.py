"""Models go and come, budgets shrink, clocks jump: without voices nothing is entered, and no stop ever leaves."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.builders import BTC, ETH, NOW
from tests.desks import Bench, a_desk, a_house, a_series
from tests.wired import BALLOT, COUNCIL, JUDGE, World, a_world, voices
from trading.bench import Bench as Judges
from trading.decision import Abstention, Opinion, Ruling
from trading.events import DecisionMade
from trading.model import Guard, Leg
from trading.playbook import Playbook
from trading.running import Panel
from trading.voice import Lack

D = Decimal
BARS = 300
MOOD = {"reasoning": "Inflows go on.", "confidence": 0.9, "stance": "LONG"}
ANSWERS: dict[str, Any] = {
    "sentiment": MOOD,
    "judge": {**JUDGE, "confidence": 0.9},
    "council": {**BALLOT, "thesis": "Up.", "invalidation": 100.5},
}
GONE = st.sampled_from([Lack.UNREACHABLE, Lack.LATE, Lack.CUT_OFF])
WHO = st.sampled_from(["sentiment", "judge", "council", *COUNCIL])


def a_talking_house() -> Playbook:
    """All who speak are models; what they said is never used twice. Positions are short, so that it enters often."""
    brief = {"weight": 1, "answer_within": "1s", "max_age": "1s"}
    seats = {"sentiment": {**brief, "model": "seer"}, "council": {**brief, "models": COUNCIL, "bullish": 3}}
    judged = {"min_confidence": D("0.5"), "min_agreeing": 1, "model": "chief"}
    limits = {"max_daily_loss": D(1), "max_positions": 2}
    return a_house(panel=seats, judge=judged, limits=limits, exits={"max_hold": "3s"})


class Silence(RuleBasedStateMachine):
    """A desk that trades on what models say, and models of which nobody knows whether they answer."""

    bench: Bench
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.place = TemporaryDirectory()
        self.bars = BARS - 2
        self.looked = 0  # journal events that were looked at already

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    @initialize(seed=st.integers(0, 2**16))
    def open(self, seed: int) -> None:
        self.do(self._open([((seed * (n + 7) * 7919) % 21) - 10 for n in range(BARS)]))

    async def _open(self, moves: list[int]) -> None:
        house = a_talking_house()
        paths = [60000 * (1 + sum(moves[:n]) / 1000) for n in range(BARS)]
        series = [a_series(paths), a_series([price / 20 for price in paths], symbol=ETH)]
        self.bench = await a_desk(*series, playbook=house)
        self.world = await a_world(Path(self.place.name), house, **ANSWERS)
        self.world.model._again_after = 0.0
        judges = Judges(house.judge, house.validation, self.world.model)
        speak = {name: voice for name, voice in voices(self.world).items() if name != "whale"}
        panel = Panel(personas=speak, off={}, bench=judges)
        self.bench.desk.running.panel = panel
        self.bench.desk.cycle.use(house, panel)

    @rule(n=st.integers(1, 5))
    def time_passes(self, n: int) -> None:
        n = min(n, self.bars)
        self.bars -= n
        self.do(self.bench.step(n))

    @rule()
    def decide(self) -> None:
        self.do(self.bench.decide(BTC, ETH))

    @rule(who=WHO, lack=GONE)
    def a_model_goes(self, who: str, lack: Lack) -> None:
        self.world.gemini.script[who] = lack  # type: ignore[index] # both providers answer from one dict

    @rule(who=WHO, words=st.sampled_from(["", "no JSON", '{"confidence": 2}', "{}"]))
    def a_model_talks_nonsense(self, who: str, words: str) -> None:
        self.world.gemini.script[who] = words  # type: ignore[index]

    @rule()
    def all_models_go(self) -> None:
        for who in ANSWERS:
            self.world.gemini.script[who] = Lack.UNREACHABLE  # type: ignore[index]

    @rule()
    def all_models_come_back(self) -> None:
        for who in (*ANSWERS, *COUNCIL):
            self.world.gemini.script.pop(who, None)  # type: ignore[attr-defined]
        self.world.gemini.script.update(ANSWERS)  # type: ignore[attr-defined]

    @rule(who=WHO, lack=GONE)
    def one_of_them_is_missing(self, who: str, lack: Lack) -> None:
        self.all_models_come_back()
        self.a_model_goes(who, lack)
        self.time_passes(4)
        self.decide()

    @rule(usd=st.sampled_from([D(0), D("0.2"), D(1), D(100)]))
    def the_budget_shrinks_or_grows(self, usd: Decimal) -> None:
        self.world.model._governor._limits["hour"] = usd

    @rule(hours=st.sampled_from([-2, 1, 30]))
    def the_clock_jumps(self, hours: int) -> None:
        """Backwards too: somebody sets it right."""
        self.world.model._wall._now += timedelta(hours=hours)  # type: ignore[attr-defined]

    # --- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def whoever_enters_has_heard_everybody_it_needs(self) -> None:
        events = self.bench.journal.events
        new, self.looked = events[self.looked :], len(events)
        for made in (e.decision for e in new if isinstance(e, DecisionMade)):
            if not made.approved:
                continue
            assert all(isinstance(o, Opinion) for o in made.opinions), "nobody who is missing lets an entry pass"
            assert [r.said for r in made.rulings if isinstance(r, Ruling)] == ["long"]
            assert not [r for r in made.rulings if isinstance(r, Abstention)]

    @invariant()
    def every_position_has_its_stop_at_the_venue(self) -> None:
        if not hasattr(self, "bench"):
            return
        working = self.do(self.bench.working())
        for position in self.bench.desk.book.positions.values():
            assert position.guard is Guard.CONFIRMED
            assert position.protection.stop_id in working

    @invariant()
    def nothing_broke_inside(self) -> None:
        if hasattr(self, "bench"):
            assert self.bench.desk.faults == {}
            assert all(line.settled for line in self.world.ledger.lines.values())

    def teardown(self) -> None:
        """With every model gone, the exits still work to the end."""
        if hasattr(self, "bench"):
            self.all_models_go()
            entries = len(self.bench.trouble.sent(Leg.ENTRY))
            self.do(self.come_out())
            assert len(self.bench.trouble.sent(Leg.ENTRY)) == entries
            self.do(self.bench.kill())
        self.loop.close()
        self.place.cleanup()

    async def come_out(self) -> None:
        await self.bench.step(min(2, self.bars))  # what they said before is too old now
        await self.bench.decide(BTC, ETH)
        for position in list(self.bench.desk.book.positions.values()):
            fell = replace(self.bench.feed.quote(position.symbol), mark=D(1), bid=D(1), ask=D(1))
            self.bench.desk.on_quote(fell)
        await self.bench.desk.settle()
        assert self.bench.desk.book.positions == {}


def test_with_the_models_down_nothing_is_entered_and_every_stop_stays() -> None:
    run_state_machine_as_test(
        Silence,
        settings=settings(
            max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_with_all_voices_there_it_does_enter() -> None:
    """Else the machine above would prove nothing."""
    machine = Silence()
    machine.open(3)
    machine.decide()
    machine.time_passes(2)
    assert machine.bench.desk.book.positions
    assert machine.bench.journal.events[0].at >= NOW
    machine.teardown()
