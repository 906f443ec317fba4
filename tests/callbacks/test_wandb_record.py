import json
from pathlib import Path

import pytest

from callbacks.wandb_record import RunRecord


def test_a_run_goes_on_under_its_id_and_sends_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "run" / "wandb_run.json"
    first = RunRecord(path)
    identity = first.begin()
    for step in (1, 2, 3):
        assert first.take_note({"loss": 0.5}, step) == {"loss": 0.5}
    assert first.take_note({"fid": 1.0}, 2) == {"fid": 1.0}
    again = RunRecord(path)
    assert again.begin() == identity
    assert again.take_note({"loss": 0.5, "fid": 2.0}, 3) == {"fid": 2.0}
    assert again.take_note({"loss": 0.5, "fid": 2.0}, 3) == {}
    assert again.take_note({"loss": 0.4}, 4) == {"loss": 0.4}
    assert again.take_note({"table": 1}, None) == {"table": 1}
    assert json.loads(path.read_text()) == {"id": identity, "last_steps": {"loss": 4, "fid": 3}}


def test_an_id_that_is_given_goes_before_that_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "wandb_run.json"
    first = RunRecord(path, "mine")
    first.take_note({"loss": 1}, 5)
    assert RunRecord(path, "mine").take_note({"loss": 1}, 5) == {}
    other = RunRecord(path, "other")
    assert (other.begin(), other.take_note({"loss": 1}, 5)) == ("other", {"loss": 1})


def test_ids_differ(tmp_path: Path) -> None:
    assert RunRecord(tmp_path / "a.json").begin() != RunRecord(tmp_path / "b.json").begin()


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"id": 1, "last_steps": [2]}', '{"id": "a", "last_steps": {"b": "c"}}']
)
def test_a_damaged_record_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "wandb_run.json").write_text(content)
    assert len(RunRecord(tmp_path / "wandb_run.json").begin()) == 8


def test_a_disk_that_takes_nothing_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    record = RunRecord(tmp_path / "file" / "wandb_run.json")
    assert record.take_note({"loss": 1}, 1) == {"loss": 1}
    assert "wandb_run.json cannot be written (File exists); W&B may get" in capsys.readouterr().err
