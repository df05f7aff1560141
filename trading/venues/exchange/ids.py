"""Our ids at an exchange. A guard that had to be replaced carries its id with a generation: "gv-...-s0.1"."""

import re

from trading.model import ClientId, Leg

_OURS = re.compile(r"(gv-[a-z0-9-]+-([a-z])\d+)(?:\.(\d{1,5}))?")
_LEGS = {leg.value[0]: leg for leg in Leg}


def ours(id: str) -> ClientId | None:
    """The desk's id that an id at the exchange stands for; None: it is none of ours."""
    found = _OURS.fullmatch(id)
    return ClientId(found[1]) if found else None


def generation(id: str) -> int:
    found = _OURS.fullmatch(id)
    return int(found[3] or 0) if found else 0


def following(id: str) -> str:
    """The id of the guard that takes the place of this one. At most 36 characters, which is what exchanges take."""
    found = _OURS.fullmatch(id)
    if found is None:
        raise ValueError(f"{id!r} is no id of ours")
    return f"{found[1]}.{generation(id) + 1}"


def leg_of(id: str) -> Leg | None:
    found = _OURS.fullmatch(id)
    return _LEGS.get(found[2]) if found else None
