"""Checkpoints say in which format they are; what this version cannot read exactly, it does not read at all."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.checkpoint_files import CheckpointFiles
from lightning_modules.fine_tuning import FineTuning
from sampling.export import as_safetensors
from tensor_files.committed import commit, committed
from tensor_files.loading import FORMAT, FORMAT_KEY, load_checkpoint
from tests.resuming import same
from tests.tensor_files.smallest_run import fit


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What step 3 of the smallest run has saved, without the number, as the first versions have written it."""
    folder = tmp_path_factory.mktemp("run")
    fit(folder, 3)
    content = load_checkpoint(committed(folder / "checkpoints")[-1])
    assert content.pop(FORMAT_KEY) == FORMAT
    return content


def write(folder: Path, content: dict[str, Any], **more: Any) -> Path:
    path = folder / "old" / "step-00000003.ckpt"
    commit(path, partial(torch.save, {**content, **more}))
    return path


def test_a_checkpoint_without_a_number_is_gone_on_from_exactly(tmp_path: Path, saved: dict[str, Any]) -> None:
    fit(tmp_path / "at once", 6)
    fit(tmp_path / "going on", 6, write(tmp_path, saved))
    one, other = (load_checkpoint(committed(tmp_path / name / "checkpoints")[-1]) for name in ("at once", "going on"))
    assert one["global_step"] == 6
    for part in ("state_dict", "optimizer_states", "noted_terms", "loops", FORMAT_KEY):
        assert same(one[part], other[part]), part


def test_the_number_changes_nothing_else(tmp_path: Path, saved: dict[str, Any]) -> None:
    path = write(tmp_path, saved)
    assert same(load_checkpoint(path), saved)
    write(tmp_path, saved, **{FORMAT_KEY: 1})
    assert same(load_checkpoint(path), {**saved, FORMAT_KEY: 1})


def test_a_newer_one_is_refused_in_a_line_by_all_who_read(tmp_path: Path, saved: dict[str, Any]) -> None:
    path = write(tmp_path, saved, **{FORMAT_KEY: FORMAT + 7})
    said = f"{path}: has format {FORMAT + 7}, and this version of Kinogan reads up to format {FORMAT}; use the version"
    module, _ = fit(tmp_path / "run", 1)
    for read in (load_checkpoint, CheckpointFiles().load_checkpoint, lambda path: FineTuning(path).apply(module)):
        with pytest.raises(ValueError, match="has format") as caught:
            read(path)
        assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, True, "1", 1.0, None, [1]])
def test_what_is_no_number_is_refused(tmp_path: Path, saved: dict[str, Any], value: Any) -> None:
    with pytest.raises(ValueError, match=r"step-00000003.ckpt: is no checkpoint of a run; its format is "):
        load_checkpoint(write(tmp_path, saved, **{FORMAT_KEY: value}))


@pytest.mark.parametrize(("number", "said"), [("8", "has format 8"), ("x", "cannot be read as a checkpoint")])
def test_a_newer_export_is_refused(tmp_path: Path, number: str, said: str) -> None:
    weights = {"weight": torch.zeros(1)}
    for metadata, name in (({}, "old"), ({f"kinogan_{FORMAT_KEY}": "1"}, "new")):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(as_safetensors(weights, {"step": "3", **metadata}))
        assert load_checkpoint(path)["global_step"] == 3
    path = tmp_path / "newer.safetensors"
    path.write_bytes(as_safetensors(weights, {"step": "3", f"kinogan_{FORMAT_KEY}": number}))
    with pytest.raises(ValueError, match=said):
        load_checkpoint(path)
