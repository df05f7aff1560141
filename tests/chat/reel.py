"""What is shown of a conversation that a fake platform recorded, as the entries of a page. Pure."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.chat.page import Bubble, Mark
from tests.fakes.discord_markup import shown
from tests.fakes.discord_people import Line as DiscordLine
from tests.fakes.telegram_people import Line as TelegramLine

Line = TelegramLine | DiscordLine
Entry = Bubble | Mark
LEFT_OUT = Mark(text="· · ·")
HIDDEN = "Only you can see this"


@dataclass
class Reel:
    """Every message as it stood when it was taken, in order, and a mark where some are left out."""

    entries: list[Entry] = field(default_factory=list)
    last: int = 0  # the newest message that was taken or left out

    def skip(self, lines: Sequence[Line]) -> None:
        """What was said until now is not shown."""
        self.last = max(line.id for line in lines)

    def take(self, lines: Sequence[Line], *, but: Sequence[str] = ()) -> None:
        """What is new, without the messages that have one of these words in their first line."""
        by_id = {line.id: line for line in lines}
        for line in (line for line in lines if line.id > self.last):
            if not any(words in title_of(line) for words in but):
                self.entries.append(bubble_of(line, by_id))
            elif self.entries and self.entries[-1] != LEFT_OUT:
                self.entries.append(LEFT_OUT)
            self.last = line.id

    def tapped(self, lines: Sequence[Line], who: str, label: str) -> None:
        """The newest message that was taken is another one now."""
        by_id = {line.id: line for line in lines}
        self.entries.append(Mark(text=f"{who} taps {label}, and the answer takes the question's place:"))
        self.entries.append(bubble_of(by_id[self.last], by_id))

    def pinned(self, lines: Sequence[Line]) -> Sequence[Entry]:
        """What is pinned, as it stands now, and that it was said long before."""
        by_id = {line.id: line for line in lines}
        found = [replace(bubble_of(line, by_id), note="Pinned") for line in lines if line.pinned]
        return (*found, LEFT_OUT) if found else ()


def title_of(line: Line) -> str:
    return line.text.partition("\n")[0]


def bubble_of(line: Line, by_id: dict[int, Line]) -> Bubble:
    answered = by_id.get(line.reply_to or 0)
    rows = zip(line.buttons, line.styles, strict=True)
    return Bubble(
        name=line.sender,
        by_bot=line.by_bot,
        markup=_telegram(line) if isinstance(line, TelegramLine) else _discord(line),
        buttons=tuple(tuple(zip(labels, styles, strict=True)) for labels, styles in rows),
        answers=title_of(answered) if answered else "",
        picture=line.picture,
        note=_note(line),
        hidden=_hidden(line),
    )


def _hidden(line: Line) -> bool:
    return isinstance(line, DiscordLine) and line.ephemeral_to is not None


def _note(line: Line) -> str:
    """Discord says nothing of an answer that it has let a bot put into its first one's place."""
    if _hidden(line) and line.by_bot:
        return HIDDEN
    return "edited" if line.edited and isinstance(line, TelegramLine) else ""


def _telegram(line: TelegramLine) -> str:
    """What the bot sends is HTML; what people type is not."""
    return line.html if line.by_bot else html.escape(line.text)


def _discord(line: DiscordLine) -> str:
    if not line.by_bot:
        return f"used <b>{html.escape(line.text)}</b>"
    return "\n".join(map(_marked_up, line.markup.split("\n")))


def _marked_up(line: str) -> str:
    """The three forms that a line of ours has there: bold, quoted, plain."""
    words = html.escape(shown(line))
    if line.startswith("> "):
        return f'<span class="quoted">{words}</span>'
    return f"<b>{words}</b>" if line.startswith("**") else words
