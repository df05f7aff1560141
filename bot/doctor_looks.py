"""One look of the self-check: bounded in time, and whatever goes wrong in it is a line of its own."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping

from trading.errors import GavelError, RateLimited
from trading.venues.exchange.wire import Finding, Grade

PATIENCE = 10.0  # seconds for each look

Found = tuple[Finding, ...]
Look = Callable[[], Awaitable[Found]]

log = logging.getLogger(__name__)


def fine(name: str, detail: str) -> Finding:
    return Finding(name=name, grade=Grade.OK, detail=detail)


def warning(name: str, detail: str, mend: str) -> Finding:
    return Finding(name=name, grade=Grade.WARNING, detail=detail, mend=mend)


def error(name: str, detail: str, mend: str) -> Finding:
    return Finding(name=name, grade=Grade.ERROR, detail=detail, mend=mend)


async def bounded(name: str, look: Look, *, patience: float = PATIENCE) -> Found:
    """What a look finds; one that fails is an error under its name."""
    again = "look again; where it lasts, this machine's network and the other side's status page come next"
    try:
        async with asyncio.timeout(patience):
            return await look()
    except TimeoutError:
        return (error(name, f"no answer within {patience:g} s", again),)
    except RateLimited as failed:
        later = f"look again in {math.ceil(failed.retry_after)} s: a desk that runs here shares the exchange's limits"
        return (error(name, f"not looked at: {failed}", later),)
    except GavelError as failed:
        return (error(name, f"could not be looked at: {failed}", again),)
    except Exception as failed:  # noqa: BLE001 - its words may hold an address with a key: only its kind is told
        log.debug("the look at %s failed: %s", name, type(failed).__name__)
        return (error(name, f"could not be looked at ({type(failed).__name__})", again),)


async def all_of(looks: Mapping[str, Look]) -> Found:
    """All at once; what they found stands in their order."""
    found = await asyncio.gather(*(bounded(name, look) for name, look in looks.items()))
    return tuple(finding for each in found for finding in each)
