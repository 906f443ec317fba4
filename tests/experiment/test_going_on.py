"""What a folder knows of its run, and what must be the same."""

import errno
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.callbacks import Timer

from callbacks.checkpoints import Checkpoints
from experiment.going_on import (
    check_same_data,
    check_same_run,
    find_checkpoint,
    forget_after,
    go_back_to_intact,
    has_checkpoints,
    is_finished,
)
from experiment.one_line import UserError
from tensor_files.committed import commit, committed, mark_of
from tests.callbacks.fakes import TinyData, make_trainer
from tests.tensor_files.failing_disk import fail_to_read

CONFIG = (
    "seed_everything: 0\nmodel: {class_path: a.B, init_args: {seed: 0}}\ndata: {init_args: {root: here, size: 8}}\n"
)

GOES_ON = "going on from the one before"


def checkpoint(run: Path, step: int) -> Path:
    path = run / "checkpoints" / f"step-{step:08d}.ckpt"
    commit(path, lambda file: file.write(b"content"))
    return path


def test_the_newest_intact_one_is_found(tmp_path: Path) -> None:
    assert (has_checkpoints(tmp_path), find_checkpoint(tmp_path)) == (False, (None, {}))
    first, second = checkpoint(tmp_path, 1), checkpoint(tmp_path, 2)
    assert (has_checkpoints(tmp_path), find_checkpoint(tmp_path)) == (True, (second, {}))
    second.write_bytes(b"damaged")
    assert find_checkpoint(tmp_path)[0] == first
    first.unlink()
    with pytest.raises(UserError, match=r"no checkpoint is intact .*; move checkpoints away to begin anew"):
        find_checkpoint(tmp_path)


def test_what_cannot_be_read_is_kept_and_the_one_before_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third, fourth = (checkpoint(tmp_path, step) for step in (1, 2, 3, 4))
    second.write_bytes(b"damaged")
    fail_to_read(third, errno.EIO, monkeypatch)
    fail_to_read(mark_of(fourth), errno.ESTALE, monkeypatch)
    path, lines = go_back_to_intact(tmp_path)
    assert path == first
    assert lines == [
        f"{fourth} cannot be read (Stale file handle), and is kept as unread-{fourth.name}; {GOES_ON}",
        f"{third} cannot be read (Input/output error), and is kept as unread-{third.name}; {GOES_ON}",
        f"{second} is damaged: its SHA-256 is not that of {mark_of(second).name}; {GOES_ON}",
    ]
    Checkpoints().tidy(first.parent, 1)
    assert committed(first.parent) == [first] and not second.exists()
    for kept in (third, fourth):
        assert kept.with_name(f"unread-{kept.name}").read_bytes() == b"content"
        assert mark_of(kept.with_name(f"unread-{kept.name}")).exists()
    assert (first.parent / "last.ckpt").resolve() == first


def test_nothing_is_renamed_where_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = checkpoint(tmp_path, 1)
    fail_to_read(only, errno.EACCES, monkeypatch)
    with pytest.raises(
        UserError, match=r"no checkpoint is intact .*\(Permission denied\)\); try again when they can be"
    ):
        go_back_to_intact(tmp_path)
    assert committed(only.parent) == [only]


def test_what_can_neither_be_read_nor_renamed_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(tmp_path, 1)
    second = checkpoint(tmp_path, 2)
    fail_to_read(second, errno.EIO, monkeypatch)

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(
        UserError, match=r"cannot be read \(Input/output error\), nor renamed \(Read-only file system\)"
    ):
        go_back_to_intact(tmp_path)
    assert second.exists() and mark_of(second).exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [("here", "there"), ("size: 8", "size: 8, num_workers: 4"), ("data", "trainer: {max_steps: 9}\ndata")],
)
def test_where_the_data_lie_and_how_they_are_read_may_change(tmp_path: Path, before: str, after: str) -> None:
    check_same_run(tmp_path, CONFIG)  # nothing there
    (tmp_path / "config.yaml").write_text(CONFIG)
    check_same_run(tmp_path, CONFIG.replace(before, after))
    check_same_run(tmp_path, CONFIG)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("seed: 0}", "seed: 1}", "model.init_args.seed 0, this one 1"),
        ("a.B", "a.C", "model.class_path a.B, this one a.C"),
        ("size: 8", "size: 9", "data.init_args.size 8, this one 9"),
        ("size: 8", "size: 8, flip: true", "data.init_args.flip None, this one True"),
        ("seed_everything: 0", "seed_everything: 1", "seed_everything 0, this one 1"),
    ],
)
def test_another_experiment_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with pytest.raises(UserError, match=f"its run has {said}; give another --run_folder"):
        check_same_run(tmp_path, CONFIG.replace(before, after))


def test_checkpoints_of_nobody_knows_what_are_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1)
    with pytest.raises(UserError, match=r"has checkpoints and no config.yaml; give another --run_folder"):
        check_same_run(tmp_path, CONFIG)


def test_other_videos_are_refused() -> None:
    data: Any = TinyData(seed=1)
    saved = {"data_fingerprint": data.fingerprint("train")}
    check_same_data(Path("a.ckpt"), saved, data)
    check_same_data(Path("a.ckpt"), {}, data)
    with pytest.raises(UserError, match="trained on other videos than there are now"):
        check_same_data(Path("a.ckpt"), saved, TinyData(seed=2))  # type: ignore[arg-type]


def test_when_a_run_is_finished(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, max_steps=4)
    assert [is_finished({"global_step": step, "callbacks": {}}, trainer) for step in (3, 4, 5)] == [False, True, True]
    trainer = make_trainer(tmp_path, max_steps=-1)
    assert not is_finished({"global_step": 10**9, "callbacks": {}}, trainer)
    timer = Timer(duration="00:00:00:10")
    trainer = make_trainer(tmp_path, timer, max_steps=-1)
    for seconds, finished in ((9.0, False), (10.0, True)):
        states = {timer.state_key: {"time_elapsed": {"train": seconds}}}
        assert is_finished({"global_step": 1, "callbacks": states}, trainer) is finished
    assert not is_finished({"global_step": 1, "callbacks": {}}, trainer)


def test_what_was_logged_later_is_forgotten(tmp_path: Path) -> None:
    forget_after(tmp_path, 0)  # nothing there
    (tmp_path / "metrics.csv").write_text("step,loss\n1,0.1\n2,0.2\n3,0.3\n")
    (tmp_path / "metrics").mkdir()
    card = '{"key": "fid", "step": 2, "value": 1}\n'
    (tmp_path / "metrics" / "fid.jsonl").write_text(card + card.replace("2", "3") + '{"key": "fi')
    forget_after(tmp_path, 2)
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n1,0.1\n2,0.2\n"
    assert (tmp_path / "metrics" / "fid.jsonl").read_text() == card
    forget_after(tmp_path, 0)
    assert (tmp_path / "metrics.csv").read_text() == "step\n"


@pytest.mark.parametrize("content", [b"a: [", b"a: !!timestamp x", b"\xff\xfe", b"- 1", b""])
def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"config.yaml: [^\n]+; bring it back, or give another --run_folder$"):
        check_same_run(tmp_path, CONFIG)
