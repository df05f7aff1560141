"""Where a playbook is found by its name: among the shipped ones, and in the data directory's own folder."""

import os
import re
import tempfile
from pathlib import Path

from trading.errors import BadPlaybook
from trading.playbook import SHIPPED, Playbook, available, load, parse

FOLDER = "playbooks"
_Stamp = tuple[int, int, int]
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,29}")


class Library:
    """`given`: a playbook that the command line named by its file; it is found by its own name, too. `file`: where it
    stands, so that it can be read again."""

    def __init__(self, data_dir: Path, given: Playbook | None = None, *, file: Path | None = None) -> None:
        self._folder = data_dir / FOLDER
        self._given = given
        self._file = file
        self._read: dict[Path, tuple[_Stamp, Playbook]] = {}

    def names(self) -> tuple[str, ...]:
        own = (path.stem for path in self._folder.glob("*.toml") if _NAME.fullmatch(path.stem))
        given = (self._given.name,) if self._given else ()
        return tuple(sorted({*available(), *own, *given}))

    def load(self, name: str) -> Playbook:
        """As its file is now. Raises BadPlaybook, which names the nearest one there is, or each fault of a file."""
        if self._given is not None and name == self._given.name:
            return self._given if self._file is None else self._as_it_is(self._file, name)
        path = self._folder / f"{name}.toml"
        if not _NAME.fullmatch(name) or not path.is_file():
            shipped = SHIPPED / f"{name}.toml"
            return self._as_it_is(shipped, name) if name in available() else load(name.removesuffix(".toml"))
        if name in available():
            raise BadPlaybook(f"{path}: a shipped playbook is called {name!r}; give this file and its playbook another")
        return self._as_it_is(path, name)

    def _as_it_is(self, path: Path, name: str) -> Playbook:
        """Read again when the file is another one than it was: a schema costs milliseconds, a look at it none."""
        stamp, known = _stamp(path), self._read.get(path)
        if known is not None and known[0] == stamp and stamp is not None:
            found = known[1]
        else:
            found = load(str(path))
            if stamp is not None:
                self._read[path] = stamp, found
        if found.name != name:
            raise BadPlaybook(f"{path}: the playbook in it is called {found.name!r}; a file here is named like it")
        return found

    def write(self, name: str, text: str) -> Playbook:
        """A new file in the data directory's own folder, for its owner alone. Raises BadPlaybook when the text does not
        fit or the name is taken; then nothing was written."""
        found = parse(text, origin=f"{name}.toml")
        if found.name != name or not _NAME.fullmatch(name):
            raise BadPlaybook(f"{name!r} cannot be the name of a playbook called {found.name!r}")
        if name in self.names():
            raise BadPlaybook(f"there is a playbook {name!r} already; a new one takes a new name")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _put(self._folder / f"{name}.toml", text)
        except OSError as error:
            raise BadPlaybook(f"{name}.toml cannot be written: {error.strerror or error}") from error
        return found


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None  # `load` says what is wrong with it
    return found.st_mtime_ns, found.st_size, found.st_ino


def _put(path: Path, text: str) -> None:
    """The whole of it or nothing: a process that ends half-way leaves no half of a playbook."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
