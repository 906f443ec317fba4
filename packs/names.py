"""What the videos of a pack are called, and the order in which a folder of them would stand."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from packs.reading import Pack

_ORDER = ("path", "first_frame", "num_frames")


def named_videos(pack: Pack, columns: Sequence[str] = ()) -> pa.Table:
    """The good videos of a pack, sorted by path as `datamodules.video_index` sorts the files themselves.

    Args:
        pack: which.
        columns: of the index that are wanted besides `path`, `first_frame` and `num_frames`.

    Returns: these columns; `row`, the number of the video in the pack; and `name`, its path or, where several parts of
        a file were packed, its path and its frames: "a.avi#0-99".
    """
    table = pack.rows(list(dict.fromkeys((*_ORDER, *columns)))).append_column("row", pa.array(np.arange(len(pack))))
    if not _is_in_order(table):
        table = table.sort_by([(name, "ascending") for name in _ORDER])
    paths = table["path"].cast(pa.large_string()).combine_chunks()
    same = compute.equal(paths[1:], paths[:-1])
    if not compute.any(same).as_py():
        return table.append_column("name", paths)
    is_part = np.zeros(len(paths), bool)
    is_part[1:] = np.asarray(same)
    is_part[:-1] |= np.asarray(same)
    first, last = table["first_frame"], compute.add(table["first_frame"], compute.subtract(table["num_frames"], 1))
    text = pa.large_string()
    frames = compute.binary_join_element_wise(first.cast(text), last.cast(text), pa.scalar("-", text))
    parts = compute.binary_join_element_wise(paths, frames, pa.scalar("#", text))
    return table.append_column("name", compute.if_else(pa.array(is_part), parts, paths))


def _is_in_order(table: pa.Table) -> bool:
    """Whether rows are sorted, as those of a folder are; sorting ten million takes a minute, and a look a second."""
    comes_before = np.zeros(max(len(table) - 1, 0), bool)
    for name in reversed(_ORDER):
        column = table[name].combine_chunks()
        less, equal = compute.less(column[:-1], column[1:]), compute.equal(column[:-1], column[1:])
        comes_before = np.asarray(less) | (np.asarray(equal) & comes_before)
    return bool(comes_before.all())
