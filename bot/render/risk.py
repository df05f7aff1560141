"""What holds the desk back, in words: circuit breaker, strategy health, and which method sets the size. Pure.

`RISK` is this file's part of the alerts.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from bot.render.positions import refresh
from bot.render.words import RenderContext, Renderer, card, clock, counted, money, rounded, share, span
from bot.surface import Button, Card
from trading import events as m
from trading.breaker import WORKS, BreakerView, Cause, Level, Override, Tripwire
from trading.health import Finding, Health, Measured, Metric, Severity
from trading.playbook import SizingMethod
from trading.risk.expectancy import Method, Sized

# --- circuit breaker ----------------------------------------------------------------------------------------------

_SEVERITIES = {Decimal(s): s.name.lower() for s in Severity}


def _looks(value: Decimal) -> str:
    return f"{counted(int(value), 'failed look')} in a row"


_READ: dict[Tripwire, Callable[[Decimal], str]] = {
    Tripwire.LATENCY: lambda v: f"{rounded(v, 2):f} s",
    Tripwire.FAILURES: lambda v: f"{v:f}",
    Tripwire.SLIPPAGE: share,
    Tripwire.DAY_LOSS: share,
    Tripwire.HEALTH: lambda v: _SEVERITIES.get(v, f"{v:f}"),
    Tripwire.JOURNAL: _looks,
    Tripwire.BOOKS: _looks,
}
MEANS = {
    Level.CLOSED: "Everything works.",
    Level.ALERT: "Trading goes on; this is a warning.",
    Level.THROTTLE: "Entries only at high confidence and reduced size. Exits and protection go on.",
    Level.HALT: "No new entries. Exits and protection go on.",
    Level.SHUTDOWN: "No new entries until a person resets it. Exits and protection go on.",
}


def cause_words(cause: Cause) -> str:
    """day loss 3.6%, THROTTLE from 3.5%."""
    read = _READ[cause.trigger]
    return f"{cause.trigger} {read(cause.value)}, {cause.level.name} from {read(cause.limit)}"


def _cause_line(cause: Cause, at: datetime, zone: tzinfo) -> str:
    until = "until a person resets it" if cause.until is None else f"until {clock(cause.until, today=at, zone=zone)}"
    stands = until if cause.stands(at) else "cooled down"
    return f"Cause: {cause_words(cause)}; last at {clock(cause.at, today=at, zone=zone)}, {stands}"


def _because(causes: tuple[Cause, ...]) -> str:
    """The worst, for a title."""
    worst = max(causes, key=lambda c: c.level, default=None)
    return "" if worst is None else f": {worst.trigger} {_READ[worst.trigger](worst.value)}"


def override_words(override: Override, at: datetime, zone: tzinfo = UTC) -> str:
    return f"{override.level.name} by {override.by} until {clock(override.until, today=at, zone=zone)}"


def _way_down(view: BreakerView, at: datetime, zone: tzinfo) -> str:
    if view.measured is Level.CLOSED:
        return ""
    if view.next is None or view.until is None:
        return "Next: nothing by itself. A person ends it with /breaker reset."
    held = ", ".join(view.held_by)
    waits = f"; not while unknown: {held}" if held else ""
    return f"Next: {view.next.name}, not before {clock(view.until, today=at, zone=zone)}{waits}"


def breaker_lines(view: BreakerView, at: datetime, zone: tzinfo = UTC) -> tuple[str, ...]:
    """State, causes, way down, override, and what still works."""
    since = "" if view.since is None else f" since {clock(view.since, today=at, zone=zone)}"
    overridden = view.override is not None
    calm = ": nothing it watches has reached a limit" if view.measured is Level.CLOSED else ""
    return (
        f"In force by override: {override_words(view.override, at, zone)}" if view.override else "",
        f"{'Measured' if overridden else 'Breaker'} {view.measured.name}{since}{calm}",
        *(_cause_line(c, at, zone) for c in view.causes),
        _way_down(view, at, zone),
        f"Works: {', '.join(view.works)}",
    )


def breaker_title(view: BreakerView, at: datetime) -> str:
    """The level in force and the worst of what stands behind it."""
    standing = tuple(c for c in view.causes if c.stands(at))
    why = ", overridden" if view.override else _because(standing or view.causes)
    return f"breaker {view.level.name}{why}"


def breaker_card(view: BreakerView, at: datetime, zone: tzinfo = UTC) -> Card:
    reset = Button(label="Reset", data="do:/breaker reset") if view.measured is not Level.CLOSED else None
    end = Button(label="End override", data="do:/breaker end") if view.override else None
    return card(
        breaker_title(view, at),
        *breaker_lines(view, at, zone),
        buttons=(refresh("breaker"), *(button for button in (reset, end) if button)),
    )


_LOOK = Button(label="Breaker", data="do:/breaker")


def _lasts(event: m.BreakerTripped, about: RenderContext) -> str:
    ends = [c.until for c in event.causes if c.level is event.after]
    if event.after is Level.SHUTDOWN or not ends:
        return "It lasts until a person resets it: /breaker reset asks first."
    latest = max((end for end in ends if end is not None), default=None)
    until = "" if latest is None else f" until {clock(latest, today=event.at, zone=about.zone)} at least"
    return f"It lasts{until}, then goes down one level at a time. /breaker reset ends it by hand; it asks first."


def _applies(event: m.BreakerTripped | m.BreakerRecovered | m.BreakerReset, measured: Level) -> tuple[Level, str]:
    """The level that applies, and what it means: an override stands over what is measured."""
    level = measured if event.in_force is None else event.in_force
    over = "" if level is measured else f"An override keeps {level.name} in force. "
    return level, f"{over}{MEANS[level]}"


def _tripped(event: m.BreakerTripped, about: RenderContext) -> Card:
    level, means = _applies(event, event.after)
    return card(
        f"BREAKER {event.after.name}{_because(event.causes)}",
        f"It was {event.before.name}. {means}",
        *(f"Cause: {cause_words(c)}" for c in event.causes),
        f"Works: {', '.join(WORKS[level])}",
        _lasts(event, about),
        buttons=(_LOOK, Button(label="Positions", data="do:/positions")),
    )


def _recovered(event: m.BreakerRecovered, about: RenderContext) -> Card:
    then = "" if event.until is None else clock(event.until, today=event.at, zone=about.zone)
    return card(
        f"breaker {event.before.name} -> {event.after.name}",
        _applies(event, event.after)[1],
        f"The next step down comes not before {then}" if then else "",
        buttons=(_LOOK,),
    )


def _reset(event: m.BreakerReset, _: RenderContext) -> Card:
    return card(
        f"breaker reset by {event.by}, it was {event.before.name}",
        f"It is CLOSED. {_applies(event, Level.CLOSED)[1]}",
        "It trips again where the reason still stands.",
        buttons=(_LOOK,),
    )


def _overridden(event: m.BreakerOverridden, about: RenderContext) -> Card:
    until = clock(event.until, today=event.at, zone=about.zone)
    return card(
        f"breaker overridden: {event.before.name} -> {event.level.name}",
        f"By {event.by}, for {span(event.until - event.at)}, until {until}",
        MEANS[event.level],
        "What is measured goes on beside it. A new SHUTDOWN ends it.",
        buttons=(_LOOK,),
    )


def _override_ended(event: m.BreakerOverrideEnded, _: RenderContext) -> Card:
    return card(
        f"breaker override {event.level.name} ended, now {event.after.name}",
        f"It was set by {event.by}. It ended: {event.why}.",
        MEANS[event.after],
        buttons=(_LOOK,),
    )


# --- strategy health ------------------------------------------------------------------------------------------------

_EFFECT = {
    Severity.NONE: "Nothing is held back by it.",
    Severity.MINOR: "One warning: the breaker goes to ALERT.",
    Severity.MODERATE: "Two warnings or more: the breaker goes to THROTTLE, fewer and smaller entries.",
    Severity.SEVERE: "One critical: the breaker goes to HALT, no new entries.",
    Severity.CRITICAL: "Two critical or more: the breaker goes to SHUTDOWN, until a person resets it.",
}
_WARNS = {Metric.LOSSES: "from", Metric.DRAWDOWN: "from", Metric.EXPECTANCY: "at or below"}
_ALARMS = {Metric.LOSSES: "from", Metric.DRAWDOWN: "from"}


def severity_word(health: Health) -> str:
    return "good" if health.severity is Severity.NONE else health.severity.name.lower()


def _figure(metric: Metric, value: Decimal) -> str:
    match metric:
        case Metric.LOSSES:
            return f"{value:f}"
        case Metric.SHARPE:
            return f"{rounded(value, 2):f}"
        case Metric.EXPECTANCY:
            return f"{share(value)} of equity"
        case _:
            return share(value)


def _measured(found: Measured) -> str:
    """win rate 44%: warns below 45%, critical below 35%."""
    metric = found.metric
    value = "no number" if found.value is None else _figure(metric, found.value)
    word = "" if found.finding is Finding.FINE else f" {found.finding.name}"
    warn = f"warns {_WARNS.get(metric, 'below')} {_figure(metric, found.warn)}"
    critical = f"critical {_ALARMS.get(metric, 'below')} {_figure(metric, found.critical)}"
    return f"{metric}{word}: {value}, {warn}, {critical}"


def _looked_at(health: Health) -> str:
    """More than /pnl counts, where some of them were on paper."""
    return f"the last {counted(health.n, 'closed trade')}, those in shadow too"


def health_lines(health: Health) -> tuple[str, ...]:
    looked = f"Strategy health {severity_word(health)}, over {_looked_at(health)}"
    if not health.findings:
        return (f"{looked}: too few to judge",)
    return looked, *(_measured(found) for found in health.findings)


def _health_changed(event: m.HealthChanged, _: RenderContext) -> Card:
    health = event.health
    before = "good" if event.before is Severity.NONE else event.before.name.lower()
    bad = [f for f in health.findings if f.finding is not Finding.FINE]
    return card(
        f"strategy health {before} -> {severity_word(health)}",
        _EFFECT[health.severity],
        "The playbook asks for the positions to be closed." if health.close_positions else "",
        *(_measured(found) for found in bad),
        f"Over {_looked_at(health)}",
        detail=(_measured(f) for f in health.findings if f.finding is Finding.FINE),
        buttons=(Button(label="Health", data="do:/health"),),
    )


# --- which method sets the size -------------------------------------------------------------------------------------

_METHODS = {
    Method.EXPLORATION: "A small size, until enough trades are closed to know more.",
    Method.KELLY: "A part of Kelly, by what the closed trades have shown.",
    Method.STOPPED: "No real size. Entries go on in shadow: on paper, without an order, until these have shown a gain.",
    Method.RETURNING: "A small size again: the shadow trades have shown a gain.",
}


def _or_dash(value: Decimal | None) -> str:
    return "-" if value is None else f"{rounded(value, 3):f}"


_BY_MARGIN = {
    SizingMethod.CONFIDENCE: "its margin by confidence",
    SizingMethod.LINEAR: "its margin by confidence, on a line",
    SizingMethod.FIXED: "its fixed margin",
}


def sized_words(sized: Sized, method: SizingMethod) -> str:
    """by kelly, 2% of equity at risk; none while stopped. `method`: the playbook's; its margin is a bound too."""
    if sized.fraction <= 0:
        return "none, shadow trades only"
    less = f" or {_BY_MARGIN[method]}, the smaller counts" if method in _BY_MARGIN else ""
    return f"by {sized.method}, {share(sized.fraction)} of equity at risk{less}"


def sizing_lines(sized: Sized | None, method: SizingMethod) -> tuple[str, ...]:
    """Which method sets the size now, and its n, p, b, E, f; what is not defined is a dash. None: the playbook does
    not ask the closed trades."""
    if sized is None:
        said = _BY_MARGIN.get(method, method.value)
        return (f"Size now: each trade takes {said}, whatever the closed trades have shown",)
    window = sized.window
    expected = "-" if window.e is None else money(window.e)
    numbers = f"n {window.n}, p {_or_dash(window.p)}, b {_or_dash(window.b)}, E {expected}, f {_or_dash(sized.f)}"
    return f"Size now: {sized_words(sized, method)}", numbers if window.n else "", _sentence(sized.note)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sizing_changed(event: m.SizingChanged, _: RenderContext) -> Card:
    return card(
        f"{event.playbook}: size by {event.before} -> {event.after}",
        _METHODS[event.after],
        _sentence(event.note),
        buttons=(Button(label="Results", data="do:/pnl"),),
    )


RISK: dict[type[m.Event], Renderer] = {
    m.BreakerTripped: _tripped,
    m.BreakerRecovered: _recovered,
    m.BreakerReset: _reset,
    m.BreakerOverridden: _overridden,
    m.BreakerOverrideEnded: _override_ended,
    m.HealthChanged: _health_changed,
    m.SizingChanged: _sizing_changed,
}
