"""One queue an instrument: in order, urgent first, and nobody waits for a neighbour."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.builders import BTC, ETH
from tests.desks import until
from trading.errors import Misuse
from trading.lanes import Lanes
from trading.model import Symbol

Failures = list[tuple[Symbol, str]]


@pytest.fixture
def failures() -> Failures:
    return []


@pytest.fixture
async def lanes(failures: Failures) -> AsyncIterator[Lanes]:
    made = Lanes(lambda symbol, error: failures.append((symbol, str(error))))
    yield made
    await made.close()


def noting(done: list[str], what: str) -> Callable[[], Awaitable[None]]:
    async def job() -> None:
        await asyncio.sleep(0)
        done.append(what)

    return job


def waiting(for_: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def job() -> None:
        await for_.wait()

    return job


async def breaking() -> None:
    raise RuntimeError("broken")


async def test_jobs_of_one_instrument_run_one_after_the_other_in_order(lanes: Lanes) -> None:
    done: list[str] = []
    for n in range(5):
        lanes.post(BTC, noting(done, str(n)))
    await lanes.settle()
    assert done == list("01234")


async def test_an_exit_goes_before_an_entry_that_was_posted_earlier(lanes: Lanes) -> None:
    done: list[str] = []
    lanes.post(BTC, noting(done, "entry"), urgent=False)
    lanes.post(BTC, noting(done, "another"), urgent=False)
    lanes.post(BTC, noting(done, "exit"))
    await lanes.settle()
    assert done == ["exit", "entry", "another"]


async def test_a_slow_instrument_does_not_hold_up_another(lanes: Lanes) -> None:
    done: list[str] = []
    stuck = asyncio.Event()
    lanes.post(BTC, waiting(stuck))
    lanes.post(BTC, noting(done, "btc"))
    lanes.post(ETH, noting(done, "eth"))
    await until(lambda: done == ["eth"])
    assert not lanes.idle
    stuck.set()
    await lanes.settle()
    assert done == ["eth", "btc"]


async def test_a_lane_outlives_a_job_that_fails_and_says_so(lanes: Lanes, failures: Failures) -> None:
    done: list[str] = []
    lanes.post(BTC, breaking)
    lanes.post(BTC, noting(done, "after"))
    await lanes.settle()
    assert failures == [(BTC, "broken")]
    assert done == ["after"]


async def test_a_job_that_posts_another_is_not_idle_in_between(lanes: Lanes) -> None:
    done: list[str] = []

    async def first() -> None:
        lanes.post(ETH, noting(done, "second"))

    lanes.post(BTC, first)
    await lanes.settle()
    assert done == ["second"]
    assert lanes.idle


async def test_run_waits_for_its_own_job_and_for_what_stands_before_it(lanes: Lanes) -> None:
    done: list[str] = []
    lanes.post(BTC, noting(done, "before"))
    await lanes.run(BTC, noting(done, "mine"))
    assert done == ["before", "mine"]


async def test_run_comes_back_from_a_job_that_failed(lanes: Lanes, failures: Failures) -> None:
    await lanes.run(BTC, breaking)
    assert failures == [(BTC, "broken")]


async def test_who_waits_may_go_away_without_harm(lanes: Lanes, failures: Failures) -> None:
    done: list[str] = []
    stuck = asyncio.Event()
    lanes.post(BTC, waiting(stuck))
    impatient = asyncio.create_task(lanes.run(BTC, noting(done, "all the same")))
    await asyncio.sleep(0)
    impatient.cancel()
    stuck.set()
    await lanes.settle()
    assert done == ["all the same"]
    assert failures == []


async def test_closing_ends_what_waits(failures: Failures) -> None:
    lanes = Lanes(lambda symbol, error: failures.append((symbol, str(error))))
    lanes.post(BTC, waiting(asyncio.Event()))
    await asyncio.sleep(0)
    await lanes.close()
    assert failures == []


async def test_who_waits_for_a_job_that_closing_cuts_off_is_told(lanes: Lanes) -> None:
    done: list[str] = []
    running = asyncio.create_task(lanes.run(BTC, waiting(asyncio.Event())))
    queued = asyncio.create_task(lanes.run(BTC, noting(done, "never")))
    await asyncio.sleep(0)
    await lanes.close()
    for waits in (running, queued):
        with pytest.raises(Misuse, match="has stopped"):
            await asyncio.wait_for(waits, 1)
    assert done == []


async def test_nothing_runs_in_closed_lanes(lanes: Lanes) -> None:
    done: list[str] = []
    await lanes.close()
    lanes.post(ETH, noting(done, "posted"))
    with pytest.raises(Misuse, match="has stopped"):
        await lanes.run(BTC, noting(done, "run"))
    await lanes.settle()
    assert done == []


async def test_nothing_to_do_is_idle(lanes: Lanes) -> None:
    assert lanes.idle
    await lanes.settle()
