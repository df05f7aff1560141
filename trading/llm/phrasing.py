"""What all adapters say in the same words."""

from trading.asking import Heard
from trading.llm.provider import Mode, Unanswered, Wire
from trading.strict import schema_words
from trading.voice import Lack


def user_words(wire: Wire) -> str:
    """A model that is not held to its schema finds it in words below the question."""
    if wire.schema is None or wire.mode not in {Mode.OBJECT, Mode.TEXT}:
        return wire.prompt.user
    return f"{wire.prompt.user}\n\n{schema_words(wire.schema)}"


def not_listed(heard: Heard) -> Unanswered:
    """There is no list of models. An empty one it is not: nobody may take that for "all of them are gone"."""
    refused = heard.lack not in {None, Lack.EMPTY, Lack.CUT_OFF}
    return Unanswered(
        heard.lack if refused and heard.lack else Lack.BROKEN, heard.reason if refused else "it was no list of models"
    )
