"""The command line of prepare.py: check videos once, pack them once."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from packs.formats import FORMATS, Size
from packs.index import PACKED, Row, read_index
from packs.reading import Pack
from preparing.children import Limits
from preparing.contact_sheet import write_contact_sheet
from preparing.layouts import LAYOUTS, read_source
from preparing.packing import check, pack
from preparing.plan import Plan, Settings, Task, make_plan
from preparing.report import line_of, report, summary
from tensor_files.whole_files import whole_file

DESCRIPTION = """Check videos once, and pack them for training.

    python prepare.py VIDEOS --output PACK        decode every file once, from its first frame on, into a pack
    python prepare.py VIDEOS --check              only say what is wrong with which file

VIDEOS is a folder of videos (with a folder for each class), a list (.csv with the columns path, label, caption, split,
start, end in seconds; or .jsonl with these keys), UCF-101, KTH, MoCoGAN's strips, Moving MNIST (.npy), a folder or a
zip of folders of frames.  An interrupted run goes on when it is started again."""

REPORT_FILE, SHEET_FILE = "report.txt", "contact_sheet.png"


def main(arguments: list[str]) -> int:
    """Exit code: 0 when done, 1 if --check refused a file, 2 for a mistake that the user can put right."""
    try:
        return run(parser().parse_args(arguments))
    except (ValueError, OSError) as mistake:
        print(f"prepare.py: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prepare.py: interrupted; the same command goes on where it was", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Every option, with its default."""
    result = argparse.ArgumentParser(
        prog="prepare.py",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add("source", type=Path, metavar="VIDEOS", help="a folder or file, see above")
    add("--output", type=Path, metavar="PACK", help="the folder to make")
    add("--check", action="store_true", help="write nothing; also try whether random reads return the right frames")
    add("--size", type=size, default=Size(64, 64), help="of the frames: 64, or HEIGHTxWIDTH; the middle is cut out")
    add("--format", choices=FORMATS, default="raw", help="how frames are kept: fastest, smaller, smallest (raw)")
    add("--layout", choices=LAYOUTS, help="of the source, where it cannot be told")
    add("--ucf_list", type=int, choices=(1, 2, 3), default=1, help="which official split of UCF-101 (1)")
    add("--fps", type=positive, default=25.0, help="frames a second of pictures, which do not say (25)")
    add("--processes", type=int, default=os.cpu_count() or 1, help="that decode (one a core)")
    add("--deadline", type=positive, default=60.0, help="seconds without a frame, after which a file is given up (60)")
    add("--memory", type=positive, default=4096.0, help="MiB that decoding one file may take (4096)")
    return result


def run(options: argparse.Namespace) -> int:
    """Do what the options say.

    Raises: ValueError or OSError, in one line.
    """
    if options.check == (options.output is not None):
        raise ValueError("either --output PACK to pack, or --check to look only")
    if options.processes < 1:
        raise ValueError(f"processes is {options.processes}; it must be at least 1")
    if options.output is not None and options.output.resolve().is_relative_to(options.source.resolve()):
        raise ValueError(f"{options.output}: lies in what is to be packed; name a folder outside of {options.source}")
    source = read_source(options.source, options.layout, options.ucf_list)
    plan = make_plan(source, Settings(options.format, options.size, options.fps))
    limits = Limits(options.deadline, round(options.memory * 2**20))
    with Progress(plan) as progress:
        if options.check:
            rows = check(plan, options.processes, limits, progress.seen)
        else:
            pack(plan, options.output, options.processes, limits, progress.seen)
    if options.check:
        print(f"\n{summary(rows, source.class_names, source.passed_over)}")
        return int(any(row.status != PACKED for row in rows))
    print(finish(plan, options.output))
    return 0


def finish(plan: Plan, folder: Path) -> str:
    """Write the report and the contact sheet of a finished pack, and say what it is."""
    header, table = read_index(folder)
    rows = [Row(**row) for row in table.to_pylist()]
    passed_over = plan.source.passed_over
    with whole_file(folder / REPORT_FILE) as file:
        file.write(report(rows, header.class_names, passed_over).encode())
    write_contact_sheet(Pack(folder), folder / SHEET_FILE)
    return (
        f"\n{summary(rows, header.class_names, passed_over)}\nfingerprint  {header.fingerprint}\n\n"
        f"{folder} is packed; look at {folder / SHEET_FILE}, and read {folder / REPORT_FILE}"
    )


class Progress:
    """The bar: files, clips, MB/s of the source, time left; above it, a line for each file that is not as it should."""

    def __init__(self, plan: Plan) -> None:
        self._root = plan.source.root
        self._plan = plan
        self._bar: tqdm | None = None  # from the first file on: a mistake is found before, and is one line
        self._clips, self._bytes, self._started = 0, 0, time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def seen(self, task: Task, rows: Sequence[Row]) -> None:
        """A file is done."""
        if self._bar is None:
            self._bar = tqdm(total=len(self._plan.tasks), unit="file", smoothing=0.05, mininterval=0.5)
        for row in rows:
            if row.status != PACKED or row.exact_seek is False:
                self._bar.write(line_of(row), file=sys.stdout)
        self._clips += sum(row.status == PACKED for row in rows)
        path = self._root / task.entries[0].file
        self._bytes += path.stat().st_size if path.is_file() and not task.entries[0].member else 0
        speed = self._bytes / 1e6 / max(time.monotonic() - self._started, 1e-3)
        self._bar.set_postfix_str(f"{self._clips} clips, {speed:.1f} MB/s", refresh=False)
        self._bar.update()


def size(text: str) -> Size:
    """64 or 64x80 (height x width)."""
    parts = [int(each) for each in text.split("x")]
    if len(parts) > 2 or min(parts) < 1:
        raise ValueError(text)
    return Size(parts[0], parts[-1])


def positive(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number
