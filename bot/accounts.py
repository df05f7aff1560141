"""Accounts and places by their names: "telegram:7" is somebody, "telegram:-1001" and "discord:#55" are rooms."""

import re

from trading.errors import Misuse

TERMINAL = "console:owner"  # whoever sits at the machine: an admin, always
_ROOM = re.compile(r"(telegram:-|discord:#)[1-9][0-9]{0,19}")
_ACCOUNT = re.compile(r"(telegram|discord):[1-9][0-9]{0,19}|console:[a-z0-9]{1,32}")
_MENTION = re.compile(r"<(?:@!?|(?=#))(#?[0-9]+)>")  # as Discord writes what was picked from its lists


def key_of(text: str) -> str:
    """An account as people type or mention it: "telegram:7", "discord:<@9>"; a group "telegram:-1001", a channel
    "discord:#55" or "discord:<#55>". Raises Misuse."""
    platform, _, id = text.strip().lower().partition(":")
    mention = _MENTION.fullmatch(id)
    key = f"{platform}:{mention[1] if mention else id}"
    if not (_ACCOUNT.fullmatch(key) or _ROOM.fullmatch(key)):
        raise Misuse(
            f"{text[:40]!r} is no account: telegram:NUMBER or discord:NUMBER is expected, telegram:-NUMBER for a "
            "group, discord:#NUMBER for a channel. Names are not taken: somebody else could take one over."
        )
    return key


def is_room(key: str) -> bool:
    """A group or channel: all who are in it."""
    return _ROOM.fullmatch(key) is not None


def chat_of(destination: str) -> str:
    """Without its topic or thread."""
    return destination.partition("/")[0]


def account_at(destination: str) -> str:
    """Whose account, or which room's, a place is: the key under which the directory would know it."""
    platform, _, chat = chat_of(destination).partition(":")
    match platform:
        case "console":
            return TERMINAL
        case "discord":
            return f"discord:{chat.removeprefix('@') if chat.startswith('@') else f'#{chat}'}"
        case _:
            return f"{platform}:{chat}"
