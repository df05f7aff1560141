"""A chat's transcript as a page that looks like a phone, for the pictures in the documents. Pure."""

import base64
import html
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 430  # CSS pixels: a phone held upright


@dataclass(frozen=True, kw_only=True)
class Bubble:
    """One message. `name` is shown where the chat shows names."""

    name: str
    by_bot: bool
    markup: str  # what may stand in a page: escaped already
    buttons: tuple[tuple[tuple[str, str], ...], ...] = ()  # rows of (label, style)
    answers: str = ""  # the first words of the message that it replies to
    picture: bytes = b""
    note: str = ""  # "edited", "Only you can see this"
    hidden: bool = False  # from everybody else there


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What stands between two messages: somebody tapped, or something is left out."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stays in sight. `pinned`: the first words of the message that is pinned."""

    title: str
    under: str = ""
    pinned: str = ""


@dataclass(frozen=True, kw_only=True)
class Theme:
    back: str
    bar: str
    bot: str
    mine: str
    text: str
    dim: str
    accent: str
    button: str
    rows: bool  # messages as rows with names (Discord), not as bubbles (Telegram)


TELEGRAM = Theme(
    back="#0e1621", bar="#17212b", bot="#182533", mine="#2b5278", text="#f5f5f5", dim="#8a9bad", accent="#6ab3f3",
    button="#223244", rows=False,
)  # fmt: skip
DISCORD = Theme(
    back="#313338", bar="#2b2d31", bot="#313338", mine="#313338", text="#dbdee1", dim="#a3a9b2", accent="#00a8fc",
    button="#4e5058", rows=True,
)  # fmt: skip
_STYLES = {"danger": "#c0392b", "success": "#2d7d46", "primary": "#3b6fd4"}
_FOLDED = 3  # lines that are seen of what may be unfolded

_SHEET = """
* {{ box-sizing: border-box; }}
body {{ margin: 0; width: {width}px; background: {back}; color: {text};
  font: 13px/1.32 "DejaVu Sans Condensed", "DejaVu Sans", sans-serif; font-stretch: condensed; }}
header {{ padding: 10px 14px; background: {bar}; border-bottom: 1px solid #0006; }}
header b {{ font-size: 16px; }}
.under, .answers, .note, .mark, blockquote {{ color: {dim}; }}
.under {{ font-size: 12px; margin-left: 8px; }}
.pinned {{ margin-top: 8px; padding-left: 9px; border-left: 2px solid {accent}; font-size: 12.5px; line-height: 1.3; }}
.pinned i {{ display: block; font-style: normal; color: {accent}; }}
.row {{ padding: 3px 10px; }}
.bubble {{ padding: 6px 11px 7px; border-radius: 12px; background: {bot}; white-space: pre-wrap;
  overflow-wrap: anywhere; width: fit-content; max-width: 100%; }}
.block {{ width: fit-content; max-width: 96%; }}
.mine {{ margin-left: auto; }}
.mine .bubble {{ background: {mine}; }}
.answers {{ border-left: 2px solid {accent}; padding-left: 8px; margin-bottom: 4px; font-size: 12px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
.note {{ font-size: 11.5px; text-align: right; margin-top: 2px; }}
blockquote {{ margin: 5px 0 0; padding: 1px 8px; border-left: 3px solid {accent}; font-size: 12.5px; }}
blockquote[expandable] {{ position: relative; max-height: {folded}em; overflow: hidden; padding-right: 24px; }}
.quoted {{ color: {dim}; }}
blockquote[expandable]::after {{ content: "⌄"; position: absolute; right: 7px; bottom: -1px; font-size: 17px;
  color: {accent}; }}
img {{ max-width: 100%; width: 330px; border-radius: 8px; display: block; }}
.keys {{ display: flex; gap: 4px; margin-top: 4px; }}
.key {{ flex: 1; text-align: center; padding: 6px 12px; border-radius: 8px; background: {button}; }}
.mark {{ text-align: center; font-size: 12px; padding: 5px 0; }}
.rows .row {{ padding: 5px 12px 3px 56px; position: relative; }}
.rows .bubble {{ padding: 0; width: auto; border-radius: 0; }}
.rows .name {{ font-weight: bold; color: #f2f3f5; white-space: normal; }}
.rows .tag {{ background: #5865f2; color: #fff; border-radius: 3px; font-size: 10px; padding: 1px 4px; margin-left: 5px;
  vertical-align: 1px; }}
.rows .face {{ position: absolute; left: 12px; top: 7px; width: 34px; height: 34px; border-radius: 50%;
  background: #5865f2; color: #fff; text-align: center; line-height: 34px; font-weight: bold; }}
.rows .keys {{ margin-top: 6px; }}
.rows .key {{ flex: 0 0 auto; border-radius: 5px; }}
.rows .note {{ text-align: left; }}
.rows .hidden {{ background: #5865f21f; border-left: 2px solid #5865f2; padding-left: 54px; }}
.rows .hidden .bubble {{ background: none; }}
.rows .mark {{ padding-left: 44px; }}
"""


def page(head: Head, entries: Iterable[Bubble | Mark], theme: Theme) -> str:
    look = {name: getattr(theme, name) for name in Theme.__dataclass_fields__}
    sheet = _SHEET.format(width=WIDTH, folded=_FOLDED * 1.36, **look)
    body = "".join(_mark(e) if isinstance(e, Mark) else (_row if theme.rows else _bubble)(e) for e in entries)
    pinned = f'<div class="pinned"><i>Pinned message</i>{html.escape(head.pinned)}</div>' if head.pinned else ""
    top = (
        f'<header><b>{html.escape(head.title)}</b><span class="under">{html.escape(head.under)}</span>{pinned}</header>'
    )
    kind = "rows" if theme.rows else "bubbles"
    return f'<!doctype html><meta charset="utf-8"><style>{sheet}</style><body class="{kind}">{top}{body}'


def _mark(mark: Mark) -> str:
    return f'<div class="mark">{html.escape(mark.text)}</div>'


def _bubble(bubble: Bubble) -> str:
    """Its keys stand under it, and are as wide as it is."""
    side = "" if bubble.by_bot else " mine"
    inside = f"{_answers(bubble)}{bubble.markup}{_picture(bubble)}{_note(bubble)}"
    block = f'<div class="block{side}"><div class="bubble">{inside}</div>{_keys(bubble)}</div>'
    return f'<div class="row">{block}</div>'


def _row(bubble: Bubble) -> str:
    tag = '<span class="tag">APP</span>' if bubble.by_bot else ""
    face = f'<div class="face">{html.escape(bubble.name[:1])}</div>'
    name = f'<div class="name">{html.escape(bubble.name)}{tag}</div>'
    hidden = " hidden" if bubble.hidden else ""
    inside = f"{_answers(bubble)}{name}{bubble.markup}{_picture(bubble)}{_keys(bubble)}{_note(bubble)}"
    return f'<div class="row{hidden}">{face}<div class="bubble">{inside}</div></div>'


def _answers(bubble: Bubble) -> str:
    return f'<div class="answers">{html.escape(bubble.answers)}</div>' if bubble.answers else ""


def _note(bubble: Bubble) -> str:
    return f'<div class="note">{html.escape(bubble.note)}</div>' if bubble.note else ""


def _picture(bubble: Bubble) -> str:
    if not bubble.picture:
        return ""
    return f'<img src="data:image/png;base64,{base64.b64encode(bubble.picture).decode()}">'


def _keys(bubble: Bubble) -> str:
    return "".join(f'<div class="keys">{"".join(_key(*key) for key in row)}</div>' for row in bubble.buttons)


def _key(label: str, style: str) -> str:
    colour = f' style="background:{_STYLES[style]}"' if style in _STYLES else ""
    return f'<div class="key"{colour}>{html.escape(label)}</div>'
