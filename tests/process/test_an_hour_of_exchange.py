"""A live desk in an emulated market in which everything goes wrong by chance: at the end its books, positions, guards
and P&L are the exchange's own, to the last digit."""

from pathlib import Path

import pytest

from tests.fakes.exchange_audit import Audit
from tests.fakes.exchange_hour import an_hour, command
from tests.fakes.exchange_house import NAMES
from tests.fakes.exchange_time import run

# What has to have happened, in a stretch and in an hour, for the comparison to mean anything.
STRETCH = {"event PositionOpened": 2, "event TradeClosed": 2, "event ProtectionConfirmed": 2, "faults": 3}
HOUR = {
    "event PositionOpened": 20,
    "event TradeClosed": 20,
    "event ProtectionConfirmed": 20,
    "event FundingPaid": 1,
    "event StopMoved": 1,
    "event PartialTriggered": 1,
    "left by: stop loss": 3,
    "left by: take profit": 1,
    "closed at the exchange": 3,
    "guard taken away": 1,
    "faults": 60,
}


def lived(name: str, place: Path, *, seed: int, minutes: float, restarts: int, wanted: dict[str, int]) -> Audit:
    """Lives it and compares; what does not agree is said together with how to live it again."""
    again = command(name, seed, minutes, restarts)
    try:
        found = run(lambda: an_hour(name, seed=seed, minutes=minutes, restarts=restarts, place=place))
    except Exception as error:
        error.add_note(f"seed {seed}: {again}")
        raise
    words = "\n".join([*found.wrong, found.table(), again])
    assert not found.wrong, f"seed {seed}: {words}"
    counts = found.counts
    counts["faults"] = sum(count for what, count in counts.items() if what.startswith(("fault ", "stream", "bad ")))
    missing = {what: (counts[what], least) for what, least in wanted.items() if counts[what] < least}
    assert not missing, f"too little has happened (seen, wanted): {missing}\n{words}"
    assert counts["stop"] + counts["crash"] == restarts
    return found


@pytest.mark.parametrize("name", NAMES)
def test_after_a_few_bad_minutes_desk_and_exchange_agree_to_the_last_digit(name: str, tmp_path: Path) -> None:
    lived(name, tmp_path, seed=11, minutes=5.5, restarts=1, wanted=STRETCH)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_after_an_hour_of_accidents_desk_and_exchange_agree_to_the_last_digit(name: str, tmp_path: Path) -> None:
    lived(name, tmp_path, seed=1, minutes=60, restarts=4, wanted=HOUR)
