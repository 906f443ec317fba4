"""What was taken, what was refused and why, in lines and in a table."""

from collections import Counter
from collections.abc import Sequence

from packs.index import PACKED, Row
from video_io.folders import printable


def line_of(row: Row) -> str:
    """One video in one line, whatever its name."""
    return printable(_line_of(row))


def _line_of(row: Row) -> str:
    if row.status != PACKED:
        return f"refused  {row.path}: {row.reason}"
    first = f" from {row.first_frame}" if row.first_frame else ""
    seek = {None: "", True: "", False: ", sequential only: random reads return other frames"}[row.exact_seek]
    return f"taken    {row.path}: {row.num_frames} frames{first}, {row.width}x{row.height}, {row.fps:.6g} fps{seek}"


def report(rows: Sequence[Row], class_names: Sequence[str], passed_over: Sequence[str]) -> str:
    """A line for each video, a line for each file that is none, and the table."""
    lines = [line_of(row) for row in rows] + [f"passed over  {printable(each)}" for each in passed_over]
    return "\n".join([*lines, "", summary(rows, class_names, passed_over), ""])


def summary(rows: Sequence[Row], class_names: Sequence[str], passed_over: Sequence[str]) -> str:
    """The table: counts, and the videos of each split and class."""
    taken = [row for row in rows if row.status == PACKED]
    lengths = sorted(row.num_frames for row in taken)
    cells = [("videos taken", f"{len(taken)}"), ("videos refused", f"{len(rows) - len(taken)}")]
    if passed_over:
        cells.append(("files passed over", f"{len(passed_over)}"))
    if any(row.exact_seek is not None for row in taken):
        cells.append(("sequential only", f"{sum(row.exact_seek is False for row in taken)}"))
    if taken:
        cells.append(("frames", f"{sum(lengths)}"))
        cells.append(("frames of a video", f"{lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]}"))
        cells.append(("sizes", _most(Counter(f"{row.width}x{row.height}" for row in taken))))
        cells.append(("frames a second", _most(Counter(f"{row.fps:.6g}" for row in taken))))
        cells.append(("packed bytes", f"{sum(row.num_bytes for row in taken)}"))
    cells += [
        (f"split {name}", f"{count}") for name, count in sorted(Counter(r.split for r in taken if r.split).items())
    ]
    labels = Counter(row.label for row in taken if row.label >= 0)
    cells += [(f"class {name}", f"{labels[number]}") for number, name in enumerate(class_names)]
    cells = [(printable(name), value) for name, value in cells]
    width = max(len(name) for name, _ in cells)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in cells)


def _most(counts: Counter[str], num_named: int = 4) -> str:
    named = ", ".join(f"{name} ({count})" for name, count in counts.most_common(num_named))
    return named + (f" and {len(counts) - num_named} more" if len(counts) > num_named else "")
