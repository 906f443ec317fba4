"""Damage of any kind is noticed, and the one before is taken."""

import errno
import os
import random
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from tensor_files import whole_files
from tensor_files.committed import (
    SET_ASIDE,
    UNREADABLE,
    commit,
    committed,
    damage,
    delete,
    mark_of,
    newest_intact,
    set_aside,
    step_of,
    uncommitted,
)
from tensor_files.whole_files import remove_parts, sha256_of, whole_file
from tests.tensor_files.failing_disk import fail_to_read


def write(folder: Path, step: int, content: bytes = b"content") -> Path:
    path = folder / f"step-{step:08d}.ckpt"
    commit(path, lambda file: file.write(content))
    return path


def test_a_mark_is_what_sha256sum_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "checkpoints", 7)
    assert mark_of(path).read_text() == f"{sha256_of(path)}  step-00000007.ckpt\n"
    assert (damage(path), step_of(path)) == ("", 7)
    assert sorted(each.name for each in path.parent.iterdir()) == ["step-00000007.ckpt", "step-00000007.sha256"]


def test_every_flipped_bit_and_every_truncation_is_noticed(tmp_path: Path) -> None:
    rng = random.Random(0)
    path = tmp_path / "step-00000002.ckpt"
    before = write(tmp_path, 1)
    with path.open("wb") as file:
        torch.save({"state_dict": {"weight": torch.randn(50)}}, file)
    content = path.read_bytes()
    commit(path, lambda file: file.write(content))
    for _ in range(300):
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        assert damage(path) == "is damaged: its SHA-256 is not that of step-00000002.sha256"
    for _ in range(100):
        path.write_bytes(content[: rng.randrange(len(content))])
        assert damage(path)
    assert newest_intact(tmp_path) == (before, {path: damage(path)})


def test_other_damage(tmp_path: Path) -> None:
    first, second, third, fourth = (write(tmp_path, step, bytes([step])) for step in (1, 2, 3, 4))
    second.unlink()
    mark_of(third).write_bytes(b"\xff\x00")
    fourth.write_bytes(first.read_bytes())
    mark_of(fourth).write_bytes(mark_of(first).read_bytes())  # as if the one had been copied over the other
    chosen, problems = newest_intact(tmp_path)
    assert chosen == first
    assert problems == {
        fourth: "is another file than step-00000004.sha256 says",
        third: "is damaged: it, or its mark, is no such file",
        second: "is missing",
    }


def test_a_file_without_its_mark_is_no_checkpoint(tmp_path: Path) -> None:
    path = write(tmp_path, 10)
    mark_of(path).unlink()
    assert (committed(tmp_path), newest_intact(tmp_path)) == ([], (None, {}))
    assert committed(tmp_path / "nowhere") == []


def test_files_that_a_kill_left_without_a_mark(tmp_path: Path) -> None:
    paths = [write(tmp_path, step) for step in (20, 10, 30)]
    (tmp_path / "last.ckpt").symlink_to("step-00000010.ckpt")
    (tmp_path / "mine.ckpt").touch()
    assert uncommitted(tmp_path) == []
    for path in paths[:2]:
        mark_of(path).unlink()
    assert uncommitted(tmp_path) == [paths[1], paths[0]]
    assert uncommitted(tmp_path / "nowhere") == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT])
@pytest.mark.parametrize("suffix", [".ckpt", ".sha256"])
def test_what_cannot_be_read_is_not_called_damaged(
    tmp_path: Path, number: int, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (write(tmp_path, step, bytes([step])) for step in (1, 2))
    fail_to_read(second.with_suffix(suffix), number, monkeypatch)
    assert newest_intact(tmp_path) == (first, {second: f"{UNREADABLE} ({os.strerror(number)})"})
    moved = set_aside(second)
    assert moved.read_bytes() == bytes([2]) and mark_of(moved).exists()
    assert (committed(tmp_path), uncommitted(tmp_path)) == ([first], [])
    monkeypatch.undo()
    for each in (moved, mark_of(moved)):  # what a user does who wants it back
        each.rename(each.with_name(each.name.removeprefix(SET_ASIDE)))
    assert newest_intact(tmp_path) == (second, {})


def test_a_folder_in_place_of_a_checkpoint_is_deleted_if_nothing_is_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, 10)
    path.unlink()
    path.mkdir()
    (path / "mine").touch()
    with pytest.raises(OSError, match="not empty"):
        delete(path)
    (path / "mine").unlink()
    delete(path)
    assert list(tmp_path.iterdir()) == []


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    paths = [write(tmp_path, step) for step in (999_999_999, 5, 1_000_000_000)]
    assert committed(tmp_path) == [paths[1], paths[0], paths[2]]
    delete(paths[2])
    assert committed(tmp_path) == [paths[1], paths[0]]


class Full:
    """A disk that takes no more at one moment: "payload", "mark", or a step of the commit that fails."""

    def __init__(self, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moment = moment
        if moment == "rename":
            monkeypatch.setattr(Path, "replace", self.fail)
        if moment == "fsync":
            monkeypatch.setattr(os, "fsync", self.fail)
        if moment == "mark":
            monkeypatch.setattr(whole_files.os, "fsync", self.fail_second_file)
        self.num_files = 0

    def fail(self, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fail_second_file(self, descriptor: int) -> None:
        self.num_files += Path(f"/proc/self/fd/{descriptor}").resolve().is_file()
        if self.num_files == 2:
            self.fail()

    def write(self, file: BinaryIO) -> None:
        file.write(b"half")
        if self.moment == "payload":
            self.fail()


@pytest.mark.parametrize("moment", ["payload", "fsync", "rename", "mark"])
def test_a_full_disk_leaves_the_last_one_and_nothing_else(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write(tmp_path, 1)
    names = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        commit(tmp_path / "step-00000002.ckpt", Full(moment, patch).write)
    assert sorted(tmp_path.iterdir()) == names
    assert newest_intact(tmp_path) == (before, {})


def test_what_killed_processes_were_writing_is_removed(tmp_path: Path) -> None:
    kept = write(tmp_path, 1)
    (tmp_path / f".step-00000002.ckpt.4711{whole_files.PART}").write_bytes(b"half")
    remove_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == [kept, mark_of(kept)]


def test_an_error_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("config.yaml", "old")]
