"""The self-check in words: for the shell, for /health, and for JSON. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from trading.status import Armed, Capability
from trading.venues.exchange.wire import Finding, Grade

CHECK = "self-check"
NOTHING_TO_DO = "nothing to do"  # so begins the way to mend what mends itself, or is as it is
_WIDTH = max(len(grade) for grade in Grade)


def doctor_lines(found: Iterable[Finding]) -> tuple[str, ...]:
    """One line each, with the way to mend it."""
    found = tuple(found)
    width = max((len(finding.name) for finding in found), default=0)
    return tuple(_line(finding, width) for finding in found)


def _line(finding: Finding, width: int) -> str:
    mend = f" -> {finding.mend}" if finding.mend and finding.grade is not Grade.OK else ""
    return f"{finding.grade:<{_WIDTH}}  {finding.name:<{width}}  {finding.detail}{mend}"


def verdict(found: Sequence[Finding]) -> str:
    errors, warnings = (sum(f.grade is grade for f in found) for grade in (Grade.ERROR, Grade.WARNING))
    if not errors and not warnings:
        return "all well"
    said = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return ", ".join(said) + (": live does not start" if errors else "")


def has_errors(found: Iterable[Finding]) -> bool:
    return any(finding.grade is Grade.ERROR for finding in found)


def doctor_json(found: Sequence[Finding]) -> dict[str, Any]:
    each = [{"name": f.name, "grade": f.grade.value, "detail": f.detail, "mend": f.mend} for f in found]
    return {"ok": not has_errors(found), "findings": each}


def doctor_capabilities(found: Iterable[Finding]) -> tuple[Capability, ...]:
    """For /health: what is well, or needs nothing done, is one line; all else has its own. A warning is "off":
    something that a desk can do without is not there, and the word for the whole stays what it was."""
    found = tuple(found)
    ill = [f for f in found if f.grade is not Grade.OK and not f.mend.startswith(NOTHING_TO_DO)]
    well = [Capability(name=CHECK, state=Armed.ARMED)] if len(ill) < len(found) else []
    return (*well, *(_capability(finding) for finding in ill))


def _capability(finding: Finding) -> Capability:
    state = Armed.DEGRADED if finding.grade is Grade.ERROR else Armed.OFF
    mend = f"; {finding.mend}" if finding.mend else ""
    return Capability(name=f"{CHECK}, {finding.name}", state=state, why=f"{finding.detail}{mend}")
