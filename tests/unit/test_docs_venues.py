"""docs/venues.md says what the code does."""

from pathlib import Path

from trading.venues.exchange.limiter import SHARE
from trading.venues.exchange.registry import DIALECTS
from trading.venues.exchange.wire import Lane

DOCS = Path(__file__).parents[2] / "docs" / "venues.md"


def test_the_table_of_limits_is_that_of_the_dialects() -> None:
    text = DOCS.read_text()
    for dialect in DIALECTS.values():
        for rate in dialect.rates:
            assert f"| {dialect.name} | {rate.name} | {rate.limit:,} | {rate.per.total_seconds():g} s |" in text


def test_the_shares_of_the_lanes_are_those_of_the_limiter() -> None:
    entry, read = f"{SHARE[Lane.ENTRY]:.0%}".replace("%", " %"), f"{SHARE[Lane.READ]:.0%}".replace("%", " %")
    assert f"ntries may use {entry} of each, reading {read}, exits all of it" in " ".join(DOCS.read_text().split())


def test_every_practice_account_is_named() -> None:
    text = DOCS.read_text()
    assert all(f"`{practice}`" in text for dialect in DIALECTS.values() for practice in dialect.practices)
