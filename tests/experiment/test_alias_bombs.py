import time
from pathlib import Path

import pytest
import yaml

from experiment.alias_bombs import MOST_VALUES, refuse_alias_bomb
from experiment.command_line import build
from experiment.one_line import UserError
from tests.reliability.hostile_files import alias_bomb


def test_what_people_write_passes() -> None:
    for path in Path("conf").rglob("*.yaml"):
        assert refuse_alias_bomb(path.read_text()) == path.read_text()
    for text in ("", "a: 1", "a: '&b *c'", "a: &b [1, 2]\nc: *b", "a & b * c"):
        assert refuse_alias_bomb(text) == text


def test_a_billion_values_are_refused_at_once() -> None:
    begin = time.monotonic()
    with pytest.raises(yaml.YAMLError, match=f"its aliases mean 1[0-9]+ values, and a config has {MOST_VALUES} at"):
        refuse_alias_bomb(alias_bomb())
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}"])
def test_what_contains_itself_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="its aliases mean"):
        refuse_alias_bomb(text)


def test_train_says_it_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "bomb.yaml").write_text(alias_bomb())
    with pytest.raises(UserError, match="its aliases mean") as caught:
        build(["--config", "conf/demo.yaml", "--config", str(tmp_path / "bomb.yaml"), "--runs_folder", str(tmp_path)])
    assert "\n" not in str(caught.value)
