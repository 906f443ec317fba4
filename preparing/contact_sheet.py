"""A picture of some clips of a pack, for a person to look at: a video a row, eight of its frames from left to right."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from packs.reading import Pack
from tensor_files.whole_files import whole_file
from video_io.folders import printable

_NUM_ROWS, _NUM_COLUMNS = 16, 8
_GAP, _CAPTION = 2, 14  # pixels
_LEAST_WIDTH = 64  # pixels of a frame on the sheet; smaller ones are enlarged, or captions would be cut off


def write_contact_sheet(pack: Pack, path: Path) -> None:
    """Write the picture (PNG) of videos and frames that lie evenly over the pack and over each video."""
    enlarged = -(-_LEAST_WIDTH // pack.header.size.width)
    height, width = (enlarged * length for length in pack.header.size)
    chosen = np.unique(np.linspace(0, len(pack) - 1, _NUM_ROWS).round().astype(int))
    row_height = height + _CAPTION + _GAP
    sheet = Image.new("RGB", (_NUM_COLUMNS * (width + _GAP), len(chosen) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    for row, index in enumerate(chosen.tolist()):
        frames = np.linspace(0, pack.num_frames[index] - 1, _NUM_COLUMNS).round().astype(int)
        clip = pack.read_clip(index, frames.tolist()).permute(1, 2, 3, 0).numpy()
        about = pack.row(index)
        label = pack.header.class_names[about.label] if about.label >= 0 else ""
        text = f"{about.path}  {about.num_frames} frames  {label}  {about.caption or ''}"
        draw.text((1, row * row_height), printable(text).encode("latin-1", "replace").decode("latin-1"), fill="black")
        for column, frame in enumerate(clip):
            picture = Image.fromarray(frame).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (column * (width + _GAP), row * row_height + _CAPTION))
    with whole_file(path) as file:
        sheet.save(file, format="PNG")
