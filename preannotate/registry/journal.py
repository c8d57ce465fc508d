"""What is being published, noted before the folder and the history of a model change.

The function in WORKSPACE/functions/NAME and MODEL/published.json cannot change at once. So `publishing.json` says which
folder will be in place and which history belongs to it; the folder appears by one rename. Whoever finds the note
without its writer keeps that history if the folder is the new one, and the old history if it is not.
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.core.drafts import clear_scratch, put_directory_in_place, scratch_directory
from preannotate.core.errors import FileError
from preannotate.core.files import read_json, replacing, sync, sync_all, write_json

_HISTORY, _NOTE = "published.json", "publishing.json"
_DRAFT = "publish-"
Entries = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class _Note:
    """The folder that will be in place, by its inode (None: no folder), and the history that belongs to it."""

    inode: int | None
    entries: list[dict[str, Any]]

    def describes(self, function: Path) -> bool:
        return _inode(function) == self.inode


def history_file(model: Path) -> Path:
    """Return the file with a model's history of publications."""
    return model / _HISTORY


def read_entries(model: Path, function: Path) -> Any:
    """Return the content of the history, as it is true of the folder that is in place; [] if there is none.

    Raises:
        FileError: The history is damaged.
    """
    note = _read(model)
    return note.entries if note is not None and note.describes(function) else read_json(history_file(model)) or []


def is_interrupted(model: Path) -> bool:
    """Return whether a publication is going on or was interrupted."""
    return (model / _NOTE).exists()


def put_in_place(source: Path | None, function: Path, model: Path, entries: Entries) -> None:
    """Copy a built function to WORKSPACE/functions/NAME, or remove that, and write the history that belongs to it.

    The caller holds the model's lock and has called `settle`.

    Args:
        source: The function to publish; None withdraws what is there.
        function: WORKSPACE/functions/NAME.
        model: The folder of the model.
        entries: The whole new history.
    """
    function.parent.mkdir(parents=True, exist_ok=True)
    with scratch_directory(function.parent, f".{function.name}.{_DRAFT}") as scratch:
        draft = scratch / function.name
        if source is not None:
            shutil.copytree(source, draft)
            sync_all(path for path in draft.rglob("*") if path.is_file())
        with replacing(history_file(model)) as new_history:
            new_history.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            sync(new_history)  # now, so that the two renames follow at once
            write_json(model / _NOTE, {"inode": _inode(draft), "entries": entries})
            if source is not None:
                put_directory_in_place(draft, function)
            elif function.exists():
                function.rename(draft)
        (model / _NOTE).unlink()
        sync(function.parent)


def settle(model: Path, function: Path) -> None:
    """Finish or undo a publication whose process was killed; the caller holds the model's lock.

    Raises:
        FileError: A file cannot be written.
    """
    if (note := _read(model)) is not None:
        if note.inode is not None and not function.exists():  # where folders cannot be exchanged: between two renames
            for draft in function.parent.glob(f".{function.name}.{_DRAFT}*/{function.name}"):
                if _inode(draft) == note.inode:
                    draft.rename(function)
        if note.describes(function):
            write_json(history_file(model), note.entries)
    (model / _NOTE).unlink(missing_ok=True)  # also a damaged one: nothing was changed after it
    clear_scratch(function.parent, f".{function.name}.{_DRAFT}")


def _read(model: Path) -> _Note | None:
    with suppress(FileError, KeyError, TypeError):
        content = read_json(model / _NOTE)
        if content is not None and isinstance(content["entries"], list):
            return _Note(content["inode"], content["entries"])
    return None


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return None
