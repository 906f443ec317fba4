"""Plans, journals, and going on; the children are played by functions of this process."""

import json

import pytest

from packs.formats import Size
from packs.index import INDEX_FILE, shard_path
from packs.reading import Pack
from preparing import packing
from preparing.children import Limits
from preparing.entries import Entry, Source, SourceError
from preparing.file_packing import ShardError, pack_file
from preparing.journal import JOURNAL_FILE, Journal
from preparing.plan import Settings, make_plan
from tests.numbered_videos import write_numbered

SETTINGS = Settings("raw", Size(16, 16), 25.0)
LIMITS = Limits(60.0, 2**30)


class StoppedError(Exception):
    """What ends the run of a test early."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for video in range(5):
        write_numbered(folder / f"{video}.mp4", video, num_frames=4 + video)
    (folder / "bad.mp4").write_text("no video")
    return folder


@pytest.fixture
def source(root):
    files = ["0.mp4", "1.mp4", "bad.mp4", "2.mp4", "3.mp4", "4.mp4"]
    return Source(root, tuple(Entry(file, label=f"c{index % 2}") for index, file in enumerate(files)))


@pytest.fixture
def counted(monkeypatch):
    """Files are packed in this process; the list of them, and after how many the run is interrupted."""
    packed = []
    limit = {"files": 100}

    def run(lanes, num_processes, limits):
        for lane in lanes:
            while (job := lane.request()) is not None:
                if len(packed) >= limit["files"]:
                    raise StoppedError
                rows = pack_file(job, lambda: None)
                packed.append(job.entries[0].file)
                lane.take(rows)
                yield job, rows

    monkeypatch.setattr(packing, "run", run)
    monkeypatch.setattr("preparing.plan._NUM_SHARDS_OF_A_SMALL_PACK", 2)  # three videos a shard
    return packed, limit


def make(source, folder):
    return packing.pack(make_plan(source, SETTINGS), folder, 1, LIMITS, lambda task, rows: None)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("after", range(1, 6))
@pytest.mark.parametrize("torn", [b"", b'{"file": 5, "rows": [["4.mp'])
def test_an_interrupted_run_goes_on(source, counted, tmp_path, after, torn):
    packed, limit = counted
    make(source, tmp_path / "undisturbed")
    packed.clear()
    limit["files"] = after
    with pytest.raises(StoppedError):
        make(source, tmp_path / "disturbed")
    assert not (tmp_path / "disturbed" / INDEX_FILE).exists()
    with (tmp_path / "disturbed" / JOURNAL_FILE).open("ab") as journal:
        journal.write(torn)
    with shard_path(tmp_path / "disturbed", 0 if after < 3 else 1).open("ab") as shard:
        shard.write(b"half a video")
    limit["files"] = 100
    make(source, tmp_path / "disturbed")
    assert sorted(packed) == sorted(entry.file for entry in source.entries)  # each once
    assert contents(tmp_path / "disturbed") == contents(tmp_path / "undisturbed")


def test_bytes_that_were_lost_are_made_again(source, counted, tmp_path):
    packed, limit = counted
    limit["files"] = 2  # of the first shard, which is not on the disk yet
    with pytest.raises(StoppedError):
        make(source, tmp_path / "pack")
    shard = shard_path(tmp_path / "pack", 0)
    content = bytearray(shard.read_bytes())
    content[-10:] = b"\1" * 10  # the file system had not written them when the power went
    shard.write_bytes(content)
    limit["files"] = 100
    make(source, tmp_path / "pack")
    assert packed.count("0.mp4") == 1 and packed.count("1.mp4") == 2
    assert Pack(tmp_path / "pack").damaged() == []


def test_a_journal_with_a_hole_is_believed_up_to_there(source, counted, tmp_path):
    packed, limit = counted
    limit["files"] = 5
    with pytest.raises(StoppedError):
        make(source, tmp_path / "pack")
    journal = tmp_path / "pack" / JOURNAL_FILE
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b"\0" * 20 + b"\n" + b"".join(lines[2:]))
    limit["files"] = 100
    make(source, tmp_path / "pack")
    assert packed.count("0.mp4") == 1 and packed.count("3.mp4") == 2
    assert Pack(tmp_path / "pack").damaged() == []


def test_a_half_made_pack_of_something_else_is_refused(source, counted, tmp_path, root):
    packed, limit = counted
    limit["files"] = 2
    with pytest.raises(StoppedError):
        make(source, tmp_path / "pack")
    other = make_plan(source, SETTINGS._replace(size=Size(16, 18)))
    with pytest.raises(FileExistsError, match="half-made pack of other files or settings"):
        packing.pack(other, tmp_path / "pack", 1, LIMITS, lambda task, rows: None)
    fewer = make_plan(source._replace(entries=source.entries[1:]), SETTINGS)
    with pytest.raises(FileExistsError, match="half-made pack"):
        packing.pack(fewer, tmp_path / "pack", 1, LIMITS, lambda task, rows: None)
    assert packed == ["0.mp4", "1.mp4"]


def test_the_plan_knows_the_files_and_the_settings(source, root):
    plan = make_plan(source, SETTINGS)
    assert plan.identity == make_plan(source, SETTINGS).identity
    other = [
        make_plan(source, SETTINGS._replace(format="jpeg")),
        make_plan(source, SETTINGS._replace(fps=24.0)),
        make_plan(source._replace(entries=source.entries[::-1]), SETTINGS),
        make_plan(source._replace(entries=(source.entries[0]._replace(caption="x"), *source.entries[1:])), SETTINGS),
    ]
    (root / "0.mp4").touch()
    other.append(make_plan(source, SETTINGS))
    assert len({each.identity for each in [plan, *other]}) == 6


def test_ranges_of_a_file_stand_together(tmp_path):
    entries = [Entry("a.mp4", start=5), Entry("b.mp4"), Entry("a.mp4", stop=9), Entry("a.mp4", stop=3)]
    plan = make_plan(Source(tmp_path, entries), SETTINGS)
    assert [task.entries for task in plan.tasks] == [(entries[3], entries[2], entries[0]), (entries[1],)]
    with pytest.raises(SourceError, match="nothing to pack"):
        make_plan(Source(tmp_path, ()), SETTINGS)


def test_shards_hold_many_videos_of_a_large_source(tmp_path):
    plan = make_plan(Source(tmp_path, [Entry(f"{index}.mp4") for index in range(70_000)]), SETTINGS)
    assert [len(shard.tasks) for shard in plan.shards] == [1024] * 68 + [368]
    assert [task.number for task in plan.tasks] == list(range(70_000))


def test_only_one_process_packs(source, counted, tmp_path):
    folder = tmp_path / "pack"
    folder.mkdir()
    with packing._locked(folder), pytest.raises(BlockingIOError, match="another process is packing there"):
        make(source, folder)
    make(source, folder)


def test_a_full_disk_loses_nothing(source, counted, tmp_path, monkeypatch):
    packed, _ = counted
    whole = pack_file

    def full(job, alive):
        if job.entries[0].file == "2.mp4":
            raise ShardError("shard: No space left on device")
        return whole(job, alive)

    monkeypatch.setitem(globals(), "pack_file", full)
    with pytest.raises(ShardError, match="No space left"):
        make(source, tmp_path / "pack")
    assert not (tmp_path / "pack" / INDEX_FILE).exists()
    monkeypatch.setitem(globals(), "pack_file", whole)
    make(source, tmp_path / "pack")
    assert packed.count("0.mp4") == 1 and Pack(tmp_path / "pack").damaged() == []


def test_the_journal_is_plain_lines(source, counted, tmp_path):
    _, limit = counted
    limit["files"] = 4
    with pytest.raises(StoppedError):
        make(source, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / JOURNAL_FILE).read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["file", "file", "file", "shard", "file"]
    Journal.remove(tmp_path)
    assert not (tmp_path / JOURNAL_FILE).exists()
