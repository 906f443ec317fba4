"""A list of videos: a CSV with a header line, or a JSON object a line."""

import csv
import io
import json
import math
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from preparing.entries import Entry, Source, SourceError
from video_io.folders import is_text

_FIELDS = ("path", "label", "caption", "split", "start", "end")


def manifest(path: Path) -> Source:
    """The videos of a list: `path`, and if wanted `label`, `caption`, `split`, `start` and `end` in seconds.

    Paths are relative to the list's folder, and stay in it.

    Raises: SourceError, with the number of the line, if a line is not like that.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # not as text, which would change ends of lines in captions
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: is not UTF-8; save it as UTF-8") from error
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
    entries = tuple(_entry(f"{path}, line {number}", row) for number, row in rows)
    if len(set(entries)) < len(entries):
        twice = next(entry for entry in entries if entries.count(entry) > 1)
        raise SourceError(f"{path}: has the same line for {twice.path} twice")
    return Source(path.parent, entries)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)  # a caption may have several lines
    try:
        if "path" not in (reader.fieldnames or ()):
            raise SourceError(f"{path}: the first line must name the columns, such as {','.join(_FIELDS)}")
        for row in reader:
            if None in row or None in row.values():
                raise SourceError(f"{path}, line {reader.line_num}: has not as many fields as the first line")
            yield reader.line_num, row
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num + 1}: is no CSV ({error})") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):  # other ends of lines may stand in a caption
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{path}, line {number}: is no JSON ({error})") from error
        if not isinstance(row, dict):
            raise SourceError(f'{path}, line {number}: must be an object such as {{"path": "a.mp4", "label": "run"}}')
        yield number, row


def _entry(where: str, row: dict[str, Any]) -> Entry:
    unknown = next((name for name in row if name not in _FIELDS), None)
    if unknown is not None:
        close = get_close_matches(str(unknown), _FIELDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(_FIELDS)}"
        raise SourceError(f"{where}: there is no field {unknown!r}; {hint}")
    file = _text(where, row, "path")
    if file is None:
        raise SourceError(f"{where}: has no path")
    pure = PurePosixPath(file)
    if pure.is_absolute() or ".." in pure.parts or "\\" in file or "\0" in file:
        raise SourceError(f"{where}: {file} leads out of the list's folder; paths are relative to it, with /")
    start, stop = _seconds(where, row, "start"), _seconds(where, row, "end")
    if stop is not None and stop <= (start or 0):
        raise SourceError(f"{where}: ends at {stop:g} s, before it starts")
    return Entry(
        pure.as_posix(),
        label=_text(where, row, "label"),
        caption=_text(where, row, "caption"),
        split=_text(where, row, "split"),
        start=start or 0,
        stop=stop,
        in_seconds=start is not None or stop is not None,
    )


def _text(where: str, row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a class that is called 3
    if value is not None and not isinstance(value, str):
        raise SourceError(f"{where}: {name} must be text, not {value!r}")
    if value is not None and not is_text(value):
        raise SourceError(f"{where}: {name} has half a character, which is no text: {value!r}")
    return value or None


def _seconds(where: str, row: dict[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise SourceError(f"{where}: {name} must be seconds, at least 0, not {value!r}")
    return seconds
