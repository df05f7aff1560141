"""The interactive half of the terminal chat. prompt_toolkit is needed only where a person sits at a terminal."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout


def show(title: str, lines: list[str]) -> None:
    """Above the prompt, the title in bold."""
    print_formatted_text(FormattedText([("bold", title), ("", "".join(f"\n{line}" for line in lines))]))


class _Commands(Completer):
    """Completes a command's name, then its arguments."""

    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        self._complete = complete

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        for line in self._complete(typed):
            yield Completion(line, start_position=-len(typed))


class Prompt:
    """`toolbar` is drawn twice a second: mode, market time, equity."""

    def __init__(self, history: Path, toolbar: Callable[[], str], complete: Callable[[str], list[str]]) -> None:
        self._session: PromptSession[str] = PromptSession(
            "gavel> ",
            history=FileHistory(str(history)),
            completer=_Commands(complete),
            complete_while_typing=True,
            bottom_toolbar=toolbar,
            refresh_interval=0.5,
        )

    def above(self) -> AbstractContextManager[None]:
        """While inside, what is printed stands above the prompt and does not tear it."""
        return patch_stdout()

    async def line(self) -> str:
        """Raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""
        return await self._session.prompt_async()
