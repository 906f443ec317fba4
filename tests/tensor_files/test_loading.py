"""Nobody else's code runs, whatever is in a file."""

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tensor_files.committed import commit
from tensor_files.loading import load_checkpoint, load_tensors

GOOD = {"state_dict": {"generator.weight": torch.arange(3.0)}, "global_step": 7}


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def saved(path: Path, content: object, **settings: Any) -> Path:
    torch.save(content, path, **settings)
    return path


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = saved(tmp_path / "step-00000007.ckpt", {**GOOD, "hyper_parameters": {"_instantiator": "os.system"}})
    (tmp_path / "last.ckpt").symlink_to(path.name)
    loaded = load_checkpoint(tmp_path / "last.ckpt")
    assert set(loaded) == {"state_dict", "global_step"}  # no names of classes to make
    assert torch.equal(loaded["state_dict"]["generator.weight"], torch.arange(3.0))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["top", "state_dict", "hyper_parameters"])
def test_code_in_a_file_is_not_run(tmp_path: Path, place: str, zipped: bool) -> None:
    payload = Payload(tmp_path / "executed")
    content = payload if place == "top" else {**GOOD, place: payload}
    path = saved(tmp_path / "evil.ckpt", content, _use_new_zipfile_serialization=zipped)
    for load in (load_checkpoint, load_tensors):
        with pytest.raises(ValueError, match=r"evil\.ckpt: cannot be read as"):
            load(path)
    assert not payload.marker.exists()


def test_nothing_is_read_where_torch_would_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "good.ckpt", GOOD)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    for load in (load_checkpoint, load_tensors):
        with pytest.raises(ValueError, match="is set, which lets files run code; unset"):
            load(path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.ckpt", "s3://bucket/a.ckpt", "file:///etc/passwd"])
def test_only_local_files_are_read(url: str) -> None:
    with pytest.raises(ValueError, match="only local files are read"):
        load_checkpoint(url)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match="is not a regular file"):
            load_checkpoint(path)
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "nowhere.ckpt", tmp_path / "loop"):
        with pytest.raises((FileNotFoundError, ValueError, OSError)):
            load_checkpoint(path)


@pytest.mark.parametrize("content", [torch.zeros(1), [], {"weights": 1}, {"state_dict": [1]}, {"state_dict": {"a": 1}}])
def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match="is no checkpoint of a run; give a file of its checkpoints folder"):
        load_checkpoint(saved(tmp_path / "other.ckpt", content))


def test_an_archive_that_grows_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "good.ckpt", {"state_dict": {"zeros": torch.zeros(100_000)}})
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in good.infolist():
            bomb.writestr(entry.filename, good.read(entry))
    with pytest.raises(ValueError, match=r"bomb\.ckpt: cannot be read as a checkpoint; it is compressed"):
        load_checkpoint(tmp_path / "bomb.ckpt")


def test_a_file_that_its_mark_does_not_vouch_for_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "step-00000007.ckpt"
    commit(path, lambda file: torch.save(GOOD, file))
    assert load_checkpoint(path)["global_step"] == 7
    saved(path, {**GOOD, "global_step": 8})
    with pytest.raises(ValueError, match=r"is damaged: its SHA-256 is not that of step-00000007\.sha256"):
        load_checkpoint(path)
