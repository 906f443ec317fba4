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
    table = table.sort_by([(name, "ascending") for name in _ORDER])
    paths = table["path"].combine_chunks()
    if compute.count_distinct(paths).as_py() == len(paths):
        return table.append_column("name", paths)
    repeated = {each["values"] for each in paths.value_counts().to_pylist() if each["counts"] > 1}
    parts = zip(paths.to_pylist(), table["first_frame"].to_pylist(), table["num_frames"].to_pylist(), strict=True)
    names = [f"{path}#{first}-{first + number - 1}" if path in repeated else path for path, first, number in parts]
    return table.append_column("name", pa.array(names, pa.string()))
