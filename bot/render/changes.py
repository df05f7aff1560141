"""Settings, phases and playbooks in words: what they are, what a change would make of them, who made it. Pure.

`CHANGES` is this file's part of the alerts.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from decimal import Decimal

from bot.render.paging import page_buttons, page_of, page_words
from bot.render.positions import UNKNOWN, refresh
from bot.render.words import RenderContext, Renderer, amount, card, clock, counted, money, name_of, percent, share
from bot.surface import Button, Card
from trading import events as m
from trading.playbook import Exits, Phase, Playbook, Sizing, SizingMethod, span_text
from trading.status import Difference, ShadowDeskView

Changes = Sequence[tuple[str, str, str]]

KEPT = "Open positions keep the exits they were opened with"


# What every seat, every phase and every optional part has: where this one comes or goes, the whole of it does.
_WHOLE = {
    r"panel\.[^.]+": "weight",
    r"phases\.[^.]+": "name",
    r"expectancy": "enough",
    r"portfolio": "asset",
    r"health": "every",
    r"exits\.trailing": "arm",
    r"exits\.time_limits": "trend",
    r"exits\.rebalance": "net",
    r"exits\.partials\.\d+": "at",
}
_SHARES = {"take_profit", "stop_loss", "early_loss", "force_loss", "break_even"}
_SHARES |= {"max_risk", "max_trade", "max_margin", "max_daily_loss"}


def change_lines(changes: Changes) -> tuple[str, ...]:
    """max_hold: 12h -> 6h, one a line; what is not set is said so, a seat or a phase that comes or goes once."""
    said = (_whole(changes, row) or _change(*row) for row in changes)
    return tuple(dict.fromkeys(said))


def _change(what: str, before: str, after: str) -> str:
    """A setting of a phase by its own name: exits.max_hold: 12h -> 6h, but phase final, max_hold: 12h -> 6h."""
    phase = re.fullmatch(r"phases\.([^.]+)\.([^.]+)", what)
    name = f"phase {phase[1]}, {phase[2]}" if phase else what
    return f"{name}: {value_words(what, before)} -> {value_words(what, after)}"


def value_words(key: str, text: str) -> str:
    """People read percent, files hold fractions: 0.02 (base) -> 2% (base)."""
    number, space, rest = text.partition(" ")
    if not number:
        return f"not set{space}{rest}"
    if key.rpartition(".")[2] not in _SHARES:
        return text
    try:
        return f"{share(Decimal(number))}{space}{rest}"
    except ArithmeticError:
        return text


def range_words(key: str, text: str) -> str:
    """What may stand there, in percent where the value is: above 0, at most 1 -> above 0%, at most 100%."""
    if key.rpartition(".")[2] not in _SHARES:
        return text
    return re.sub(r"\d+(?:\.\d+)?", lambda number: share(Decimal(number[0])), text)


def _whole(changes: Changes, row: tuple[str, str, str]) -> str:
    """What comes or goes as a whole, where this row is a part of it."""
    for place, mark in _WHOLE.items():
        part = re.match(rf"{place}(?=\.)", row[0])
        found = next((r for r in changes if part and r[0] == f"{part[0]}.{mark}"), None)
        if part and found and not (found[1] and found[2]):
            return f"{part[0].replace('phases.', 'phase ')}: {'left out' if found[1] else 'added'}"
    return ""


def kept_line(ids: Iterable[str]) -> str:
    held = ", ".join(ids)
    return f"{KEPT}: {held}" if held else "No position is open."


# --- events -------------------------------------------------------------------------------------------------------


def _settings(event: m.SettingsChanged, _: RenderContext) -> Card:
    lines, undone = change_lines(event.changes), event.undone is not None
    said = lines[0] if len(lines) == 1 else f"{counted(len(lines), 'setting')} {'as before' if undone else 'changed'}"
    return card(
        f"Undone: {said}" if undone else said,
        *(lines if len(lines) != 1 else ()),
        f"By {event.by}. Settings version {event.version}. {KEPT}.",
        f"It takes version {event.undone} back." if undone else "/undo takes it back; it asks first.",
    )


def _playbook(event: m.PlaybookChanged, _: RenderContext) -> Card:
    return card(
        f"playbook {event.before} -> {event.after}",
        f"By {event.by}",
        kept_line(event.kept),
        buttons=(Button(label="Playbook", data="do:/playbook"),),
    )


def _written(event: m.PlaybookWritten, _: RenderContext) -> Card:
    return card(
        f"new playbook {event.playbook}",
        f"Made in the chat by {event.by}" + (f", from {event.parent}" if event.parent else ""),
        f"Written by {event.model} from a wish in words" if event.model else "",
        "It trades nothing until somebody chooses it: it begins in shadow, on paper.",
        buttons=(Button(label="Show it", data=f"do:/playbook show {event.playbook}"),),
    )


def _shadow_desk(event: m.ShadowDeskChanged, _: RenderContext) -> Card:
    word = "runs in shadow now" if event.running else "runs in shadow no more"
    then = "On paper, on the same market data. /shadow compares." if event.running else ""
    return card(
        f"playbook {event.playbook} {word}",
        f"By {event.by}",
        then,
        buttons=(Button(label="Shadow", data="do:/shadow"),) if event.running else (),
    )


def _phase(event: m.PhaseChanged, _: RenderContext) -> Card:
    return card(f"phase {event.before} -> {event.after}", f"By {event.by}. Open positions keep the exits they have.")


def _alerts(event: m.AlertsChanged, _: RenderContext) -> Card:
    return card(f"alerts: {event.kind} {event.before} -> {event.after}", f"For {event.destination}, by {event.by}")


CHANGES: dict[type[m.Event], Renderer] = {
    m.SettingsChanged: _settings,
    m.PlaybookChanged: _playbook,
    m.PlaybookWritten: _written,
    m.ShadowDeskChanged: _shadow_desk,
    m.PhaseChanged: _phase,
    m.AlertsChanged: _alerts,
}


# --- /phase -------------------------------------------------------------------------------------------------------


def _own(phase: Phase) -> str:
    """What a phase says itself; what it leaves out, the base settings say."""
    said = (
        f"{phase.max_positions} positions" if phase.max_positions is not None else "",
        f"target {share(phase.take_profit)}" if phase.take_profit is not None else "",
        f"stop {share(phase.stop_loss)}" if phase.stop_loss is not None else "",
        f"held {span_text(phase.max_hold)}" if phase.max_hold is not None else "",
    )
    return ", ".join(s for s in said if s)


def _dates(phase: Phase, zone: tzinfo) -> str:
    if phase.starts is None or phase.ends is None:
        return ""
    return f"{clock(phase.starts, zone=zone)} to {clock(phase.ends, zone=zone)}"


def _phase_line(phase: Phase, zone: tzinfo) -> str:
    said = ", ".join(part for part in (phase.note or "no note", _dates(phase, zone)) if part)
    own = _own(phase)
    return f"{phase.name}: {said}" + (f"; {own}" if own else "")


def phase_card(playbook: Playbook, current: str, version: int, zone: tzinfo = UTC) -> Card:
    return card(
        f"phase {current}",
        *(_phase_line(p, zone) for p in playbook.phases),
        f"Settings version {version}" if version else "",
        "Choose one with /phase NAME, or /phase auto for the playbook's dates; it asks first",
        "Change what one says with /phase set NAME key=value; /undo takes it back",
        buttons=(refresh("phase"), *(_show_phase(p) for p in playbook.phases), _BY_DATES),
    )


_BY_DATES = Button(label="By its dates", data="do:/phase use auto")


def _show_phase(phase: Phase) -> Button:
    return Button(label=phase.name, data=f"do:/phase {phase.name}")


def one_phase_card(phase: Phase, *, on: bool, zone: tzinfo = UTC) -> Card:
    """`on`: it is the one that is on."""
    own = _own(phase)
    return card(
        f"phase {phase.name}{' (on)' if on else ''}",
        phase.note,
        _dates(phase, zone) or "No dates: it is on when somebody chooses it",
        f"It says: {own}" if own else "It says nothing of its own: the base settings hold",
        buttons=(Button(label="Phases", data="do:/phase"),),
    )


# --- /playbook ----------------------------------------------------------------------------------------------------


def _sizing(sizing: Sizing) -> str:
    match sizing.method:
        case SizingMethod.CONFIDENCE:
            how = f"margin {share(sizing.floor)} to {share(sizing.ceiling)} of equity"
        case SizingMethod.LINEAR:
            lowest, highest = min(sizing.tier1.low, sizing.tier2.low), max(sizing.tier1.high, sizing.tier2.high)
            how = f"margin {share(lowest)} to {share(highest)} of equity"
        case SizingMethod.FIXED:
            how = f"margin {amount(sizing.margin)} each time"
        case SizingMethod.EXPECTANCY:
            how = "by what the closed trades have shown"
    return f"Leverage {sizing.leverage}x, size by {sizing.method}: {how}"


def _levels(exits: Exits) -> str:
    target, stop = [share(exits.take_profit)], [share(exits.stop_loss)]
    target += [f"{exits.target_atr:f} ATR"] if exits.target_atr else []
    target += [f"{exits.target_of_margin * 100:f}% of margin"] if exits.target_of_margin else []
    stop += [f"{exits.stop_atr:f} ATR"] if exits.stop_atr else []
    stop += ["the invalidation price"] if exits.stop_at_invalidation else []
    nearest = "; the nearest of each" if len(target) + len(stop) > 2 else ""
    return f"Target {' or '.join(target)}, stop {' or '.join(stop)}{nearest}"


def _exit_rules(exits: Exits) -> str:
    said = (
        f"held at most {span_text(exits.max_hold)}" if exits.max_hold else "",
        f"trailing from {percent(exits.trailing.arm)}" if exits.trailing else "",
        f"break-even at {percent(exits.break_even)}" if exits.break_even else "",
        counted(len(exits.partials), "partial") if exits.partials else "",
        "time limits by regime" if exits.time_limits else "",
        "regime change" if exits.regime_change else "",
        "rebalance" if exits.rebalance else "",
        "invalidation" if exits.invalidation else "",
    )
    every = ", ".join(s for s in said if s)
    return f"Exits: {every}" if every else "Exits: stop and target alone"


def _parts(book: Playbook) -> str:
    parts = {"expectancy": book.expectancy, "portfolio": book.portfolio, "health": book.health}
    there = [name for name, part in parts.items() if part is not None]
    return f"Risk: {', '.join(['regime', 'breaker', *there])}"


def playbook_card(book: Playbook, *, running: bool, others: Sequence[str]) -> Card:
    use = () if running else (Button(label="Use it", data=f"do:/playbook use {book.name}"),)
    return card(
        f"playbook {book.name}{' (running)' if running else ''}",
        *_says(book),
        f"Looks every {span_text(book.schedule.signals_every)}; settings {book.hash}",
        f"Others: {', '.join(others)}" if others else "",
        buttons=use,
    )


def _says(book: Playbook) -> tuple[str, ...]:
    limits = book.limits
    seats = (f"{n.upper()} {s.weight.normalize():f}{'' if s.enabled else ' off'}" for n, s in book.panel.items())
    return (
        book.title,
        f"Universe: {' '.join(book.universe)}",
        f"Panel: {', '.join(seats)}",
        f"Trades from confidence {book.judge.min_confidence}, at least {book.judge.min_agreeing} agreeing",
        _sizing(book.sizing),
        f"At most {limits.max_positions} positions, risk {share(limits.max_risk)} a trade, "
        f"daily loss {share(limits.max_daily_loss)}",
        _levels(book.exits),
        _exit_rules(book.exits),
        _parts(book),
    )


_PLAYBOOKS_SHOWN = 10


def playbooks_card(entries: Sequence[tuple[str, str]], running: str, page: int = 1) -> Card:
    """`entries`: each name with its title, or with what is wrong with its file."""
    shown, page, pages = page_of(entries, page, _PLAYBOOKS_SHOWN)
    return card(
        counted(len(entries), "playbook"),
        *(f"{name}{' (running)' if name == running else ''}: {what}" for name, what in shown),
        page_words(page, pages),
        "/playbook show NAME, /playbook use NAME",
        buttons=(
            *(Button(label=name, data=f"do:/playbook show {name}") for name, _ in shown),
            *page_buttons("/playbook list", page, pages, file=False),
        ),
    )


def written_lines(book: Playbook, parent: Playbook | None, changes: Changes, notes: Iterable[str]) -> tuple[str, ...]:
    """What a playbook would say that is made now: against its parent, or by itself."""
    told = change_lines([row for row in changes if row[0] != "playbook"]) if parent else _says(book)
    as_it = f"As {parent.name}, word for word" if parent and not told else ""
    return (as_it, *told, *(f"Note: {note}" for note in notes))


# --- /shadow ------------------------------------------------------------------------------------------------------


def _difference(found: Difference, view: ShadowDeskView, zone: tzinfo) -> str:
    at = clock(found.at, today=view.differences[0].at, zone=zone)
    return f"{at} {name_of(found.symbol)}: ours {found.ours}, {view.playbook} {found.theirs}"


def shadow_lines(view: ShadowDeskView, zone: tzinfo = UTC) -> tuple[str, ...]:
    """How a shadow desk stands against the live one, over the same time."""
    equity = UNKNOWN
    if view.equity is not None:
        change = (view.equity - view.start_equity) / view.start_equity if view.start_equity else None
        equity = amount(view.equity) + ("" if change is None else f" ({percent(change)})")
    return (
        f"{view.playbook}, on paper since {clock(view.since, zone=zone)}",
        f"Equity {equity}, from {amount(view.start_equity)}; {view.open} open",
        f"Closed: {counted(view.trades, 'trade')}, net {money(view.net)}; "
        f"ours {counted(view.ours_trades, 'trade')}, net {money(view.ours_net)}",
        f"Decisions: {view.same} the same, {view.different} different",
        *(_difference(d, view, zone) for d in view.differences),
    )


def shadows_card(views: Sequence[ShadowDeskView], zone: tzinfo = UTC) -> Card:
    if not views:
        return card(
            "no playbook runs in shadow", "/shadow add NAME runs one on paper beside the live one; it asks first."
        )
    return card(
        f"{counted(len(views), 'playbook')} in shadow: {', '.join(v.playbook for v in views)}",
        *(line for view in views for line in shadow_lines(view, zone)),
        buttons=(refresh("shadow"),),
    )
