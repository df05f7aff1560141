from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real market data and facts beside the project; not part of it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here: real market data is needed for this test")
    return SHARED
