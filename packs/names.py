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
    paths = table["path"].cast(pa.large_string()).combine_chunks()
    if compute.all(compute.less(paths[:-1], paths[1:])).as_py():  # as in the pack of a folder: nothing to sort, or name
        return table.append_column("name", paths)
    table = table.sort_by([(name, "ascending") for name in _ORDER])
    paths = table["path"].cast(pa.large_string()).combine_chunks()
    same = np.asarray(compute.equal(paths[1:], paths[:-1]))
    is_part = np.zeros(len(paths), bool)
    is_part[1:] = same
    is_part[:-1] |= same
    text = pa.large_string()
    first, last = table["first_frame"], compute.add(table["first_frame"], compute.subtract(table["num_frames"], 1))
    frames = compute.binary_join_element_wise(first.cast(text), last.cast(text), pa.scalar("-", text))
    parts = compute.binary_join_element_wise(paths, frames, pa.scalar("#", text))
    return table.append_column("name", compute.if_else(pa.array(is_part), parts, paths))
