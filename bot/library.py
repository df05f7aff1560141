"""Where a playbook is found by its name: among the shipped ones, and in the data directory's own folder."""

import re
from pathlib import Path

from trading.errors import BadPlaybook
from trading.playbook import Playbook, available, load

FOLDER = "playbooks"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,29}")


class Library:
    """`given`: a playbook that the command line named by its file; it is found by its own name, too."""

    def __init__(self, data_dir: Path, given: Playbook | None = None) -> None:
        self._folder = data_dir / FOLDER
        self._given = given

    def names(self) -> tuple[str, ...]:
        own = (path.stem for path in self._folder.glob("*.toml") if _NAME.fullmatch(path.stem))
        given = (self._given.name,) if self._given else ()
        return tuple(sorted({*available(), *own, *given}))

    def load(self, name: str) -> Playbook:
        """Raises BadPlaybook, which names the nearest one there is, or each fault of a file."""
        if self._given is not None and name == self._given.name:
            return self._given
        path = self._folder / f"{name}.toml"
        if not _NAME.fullmatch(name) or not path.is_file():
            return load(name.removesuffix(".toml"))
        if name in available():
            raise BadPlaybook(f"{path}: a shipped playbook is called {name!r}; give this file and its playbook another")
        found = load(str(path))
        if found.name != name:
            raise BadPlaybook(f"{path}: the playbook in it is called {found.name!r}; a file here is named like it")
        return found
