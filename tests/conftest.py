import decimal
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real market data and facts beside the project; not part of it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here: real market data is needed for this test")
    return SHARED


@pytest.fixture(autouse=True)
def decimal_as_it_was() -> Iterator[None]:
    """ccxt used plainly, as the emulated exchanges' own tests use it, changes how all numbers are rounded; our client
    does not let it (trading/venues/exchange/client.py)."""
    yield
    context = decimal.getcontext()
    context.rounding, context.traps[decimal.Underflow] = decimal.ROUND_HALF_EVEN, False
