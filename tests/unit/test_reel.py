"""What the documents' pictures show of a conversation: whole messages, marks where some are left out, nothing twice."""

from dataclasses import replace

from tests.chat.page import DISCORD, TELEGRAM, Bubble, Head, Mark, page
from tests.chat.reel import HIDDEN, LEFT_OUT, Reel
from tests.fakes.discord_people import Line as DiscordLine
from tests.fakes.telegram_people import Line as TelegramLine

SAID = TelegramLine(
    id=1, sender="Ann", by_bot=False, text="/why <b>", html="", tables=(), buttons=(), styles=(), reply_to=None,
    topic=None, photo="", picture=b"", document="", edited=False, pinned=False, silent=False,
)  # fmt: skip
FIRST = replace(SAID, id=2, sender="Gavel", by_bot=True, text="ETH &\nnew", html="<b>ETH &amp;</b>\nnew")
SECOND = replace(FIRST, id=3, reply_to=2, buttons=(("Yes", "No"),), styles=(("danger", ""),))
ALONE = DiscordLine(
    id=4, sender="Gavel", by_bot=True, text="-1", markup="**it's**\n> \\-1", buttons=(), styles=(), reply_to=None,
    photo="", picture=b"", document="", edited=True, pinned=True, silent=False, ephemeral_to=7,
)  # fmt: skip


def markup(reel: Reel) -> list[str]:
    return [e.markup if isinstance(e, Bubble) else e.text for e in reel.entries]


def test_every_message_is_taken_once_and_what_people_type_is_text() -> None:
    reel = Reel()
    reel.take([SAID, FIRST])
    reel.take([SAID, FIRST, SECOND])
    assert markup(reel) == ["/why &lt;b&gt;", FIRST.html, SECOND.html]
    assert isinstance(shown := reel.entries[-1], Bubble)
    assert (shown.answers, shown.buttons) == ("ETH &", ((("Yes", "danger"), ("No", "")),))


def test_what_is_left_out_is_marked_once_and_never_at_the_beginning() -> None:
    reel = Reel()
    reel.skip([SAID])
    reel.take([SAID, FIRST, SECOND], but=("ETH",))
    assert reel.entries == []
    reel.take([replace(SAID, id=7, text="done")])
    reel.take([replace(FIRST, id=8), replace(FIRST, id=9)], but=("ETH",))
    assert [markup(reel)[0], *reel.entries[1:]] == ["done", LEFT_OUT]


def test_a_tapped_message_is_shown_again_as_it_is_now() -> None:
    reel = Reel()
    reel.take([FIRST])
    reel.tapped([replace(FIRST, html="done", edited=True)], "Ann", "Confirm")
    assert markup(reel) == [FIRST.html, "Ann taps Confirm, and the answer takes the question's place:", "done"]


def test_discords_marks_and_what_one_person_sees() -> None:
    reel = Reel()
    reel.take([ALONE])
    assert markup(reel) == ['<b>it&#x27;s</b>\n<span class="quoted">-1</span>']
    assert isinstance(shown := reel.entries[0], Bubble)
    assert (shown.note, shown.hidden) == (HIDDEN, True)
    assert [type(e) for e in reel.pinned([ALONE])] == [Bubble, Mark]


def test_a_page_escapes_what_was_not_markup() -> None:
    own, odd = "<i>Pinned message</i>", "<i>"
    for theme in (TELEGRAM, DISCORD):
        bubble = Bubble(name=odd, by_bot=True, markup="<b>x</b>", answers=odd, note=odd, buttons=(((odd, ""),),))
        html = page(Head(title=odd, under=odd, pinned=odd), [bubble, Mark(text=odd)], theme)
        assert odd not in html.replace(own, "")
        assert "<b>x</b>" in html
