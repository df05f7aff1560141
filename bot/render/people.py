"""Who may use the desk, what they have done, and what they are asked: in words. Pure.

`PEOPLE` is this file's part of the alerts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from bot.accounts import is_room
from bot.render.paging import csv_file, page_buttons, page_of, page_words
from bot.render.words import RenderContext, Renderer, card, clock, counted
from bot.surface import AGAIN, CANCEL, CONFIRM, Button, Card, Role, Style
from storage.confirmations import OpenQuestion
from storage.people import Person
from trading import events as m

MAY = {
    Role.VIEWER: "sees everything of the desk and changes nothing of it",
    Role.OPERATOR: "sees everything; halts, resumes, closes, enters",
    Role.ADMIN: "does what an operator does; settings, playbooks, people",
}
_ADDED = {
    "environment": "named in the environment",
    "terminal": "sits at the terminal",
    "chat": "added in the chat",
}
_SHOWN = 10
_QUESTIONS = 4  # with two buttons each
_PEOPLE = Button(label="Users", data="do:/users")


# --- people -------------------------------------------------------------------------------------------------------


def role_word(role: int) -> str:
    return Role(role).name.lower()


def person_line(person: Person) -> str:
    """Ana (ana): admin, added in the chat. telegram:7, discord:9."""
    name = person.name if person.name == person.id else f"{person.name} ({person.id})"
    room = ", everybody in it" if is_room(person.accounts[0]) else ""
    return (
        f"{name}: {role_word(person.role)}{room}, {_ADDED.get(person.source, person.source)}. "
        f"{', '.join(person.accounts)}"
    )


def users_card(people: Sequence[Person], page: int = 1) -> Card:
    shown, page, pages = page_of(people, page, _SHOWN)
    admins = sum(p.role >= Role.ADMIN for p in people)
    rooms = sum(is_room(p.accounts[0]) for p in people)
    groups = f", {counted(rooms, 'group')}" if rooms else ""
    return card(
        f"{counted(len(people) - rooms, 'user')}{groups}, {counted(admins, 'admin')}",
        *map(person_line, shown),
        page_words(page, pages),
        "/users add ACCOUNT ROLE NAME lets somebody in. Whoever is not here is refused.",
        detail=(f"{role_word(role).capitalize()}: {may}" for role, may in MAY.items()),
        buttons=page_buttons("/users", page, pages, file=False),
    )


def person_card(title: str, person: Person, *lines: str) -> Card:
    """Somebody as he is after a change."""
    may = MAY[Role(person.role)]
    return card(title, person_line(person), *lines, f"What that means: {may}.", buttons=(_PEOPLE,))


def _people_changed(event: m.PeopleChanged, _: RenderContext) -> Card:
    said = {
        "added": f"{event.person} may use the desk: {event.after}",
        "removed": f"{event.person} may no longer use the desk",
        "role": f"{event.person}: {event.before} -> {event.after}",
        "linked": f"{event.person} has one more account",
        "unlinked": f"{event.person} has one account less",
    }
    told = event.what in ("added", "role")  # in the title
    before = f"Before: {event.before}" if event.before and not told else ""
    after = f"Now: {event.after}" if event.after and not told else ""
    return card(said.get(event.what, f"{event.person}: {event.what}"), before, after, f"By {event.by}")


# --- what they have done ------------------------------------------------------------------------------------------


def audit_card(
    events: Sequence[m.Event], at: datetime, zone: tzinfo = UTC, *, each: int, page: int = 1, more: bool = False
) -> Card:
    """One page of `each` entries, newest first; `more`: there is another one after it."""
    if not events:
        return card("nothing in the audit" + (" on this page" if page > 1 else ""))
    lines = [line for event in events for line in _audit_lines(event, at, zone)]
    title = f"audit, newest first, page {page}" if more or page > 1 else "audit, newest first"
    return card(title, *lines, buttons=page_buttons(f"/audit {each}", page, page + more))


def _audit_lines(event: m.Event, at: datetime, zone: tzinfo) -> tuple[str, ...]:
    """Who, where, what, and what came of it; under it what was different then."""
    who, where, what, result, changes = _audited(event)
    when = clock(event.at, today=at, zone=zone)
    said = f"{when} {who} in {where}: {what} -> {result}"
    return said, *(f"- {name}: {before or 'nothing'} -> {after or 'nothing'}" for name, before, after in changes)


_Audited = tuple[str, str, str, str, Sequence[tuple[str, str, str]]]


def _audited(event: m.Event) -> _Audited:
    match event:
        case m.CommandRun():
            return event.who, event.place, event.text or "(nothing)", event.result, event.changes
        case m.AccessRefused():
            return event.who, event.place, event.text or "(nothing)", f"refused: {event.reason}", ()
        case m.AlertsChanged():
            change = (f"alerts {event.kind}", event.before, event.after)
            return event.by, event.destination, "alerts", "changed", (change,)
        case m.WishChanged():
            return event.by, event.owner, "wish", "changed", ((event.wish, event.before, event.after),)
        case m.PeopleChanged():
            return event.by, "users", event.what, "changed", ((event.person, event.before, event.after),)
    return "", "", type(event).__name__, "", ()


def audit_file(events: Sequence[m.Event]) -> Card:
    head = ("at", "who", "where", "what", "result", "changed", "before", "after")
    rows = (row for event in events for row in _audit_rows(event))
    made = csv_file("audit.csv", head, rows)
    return card(f"audit: the last {len(events)} entries", "Newest first, times in UTC.", file=made)


def _audit_rows(event: m.Event) -> list[tuple[object, ...]]:
    who, where, what, result, changes = _audited(event)
    return [(event.at, who, where, what, result, *change) for change in changes or (("", "", ""),)]


# --- what they are asked ------------------------------------------------------------------------------------------


def questions_card(questions: Sequence[OpenQuestion], zone: tzinfo = UTC) -> Card:
    """What waits for somebody's answer, with the buttons for it: on whatever platform it was asked."""
    if not questions:
        return card("no question is open for you", buttons=(_again(),))
    lines = []
    for number, question in enumerate(questions, 1):
        lines.append(f"{number}. {question.summary} ({question.command})")
        code = f". Type {question.code} to confirm" if question.code else ""
        lines.append(f"Asked in {question.place}, until {clock(question.expires_at, zone=zone)}{code}")
    left = len(questions) - _QUESTIONS
    return card(
        f"{counted(len(questions), 'question')} open for you",
        *lines,
        f"{left} more: answer these first" if left > 0 else "",
        buttons=(*(b for n, q in enumerate(questions[:_QUESTIONS], 1) for b in _answers(n, q)), _again()),
    )


def _again() -> Button:
    return Button(label="Refresh", data=f"{AGAIN}/questions")


def _answers(number: int, question: OpenQuestion) -> tuple[Button, Button]:
    form = f"Type {question.code} to confirm" if question.code else ""
    return (
        Button(
            label=f"Confirm {number}: {question.summary}",
            data=f"{CONFIRM}{question.token}",
            style=Style.SUCCESS,
            form=form,
        ),
        Button(label=f"Cancel {number}", data=f"{CANCEL}{question.token}"),
    )


PEOPLE: dict[type[m.Event], Renderer] = {m.PeopleChanged: _people_changed}
