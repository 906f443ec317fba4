import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from experiment.command_line import build
from experiment.one_line import UserError
from experiment.safe_yaml import DEEPEST, MOST_VALUES, check_config_file, read_yaml, refuse_yaml_bomb
from tests.reliability.hostile_files import alias_bomb


def test_what_people_write_passes() -> None:
    for path in Path("conf").rglob("*.yaml"):
        assert refuse_yaml_bomb(path.read_text()) == path.read_text()
    for text in ("", "a: 1", "a: '&b *c'", "a: &b [1, 2]\nc: *b", "a & b * c"):
        assert refuse_yaml_bomb(text) == text


def test_a_billion_values_are_refused_at_once() -> None:
    begin = time.monotonic()
    with pytest.raises(yaml.YAMLError, match=f"its aliases mean 1[0-9]+ values, and a config has {MOST_VALUES} at"):
        refuse_yaml_bomb(alias_bomb())
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}"])
def test_what_contains_itself_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="its aliases mean"):
        refuse_yaml_bomb(text)


def test_train_says_it_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "bomb.yaml").write_text(alias_bomb())
    with pytest.raises(UserError, match="its aliases mean") as caught:
        build(["--config", "conf/demo.yaml", "--config", str(tmp_path / "bomb.yaml"), "--runs_folder", str(tmp_path)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["!!timestamp x", "!!int x", "!!float x", "!!python/name:os.system", "[1, 2"])
def test_whatever_is_wrong_is_an_error_of_yaml(value: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(f"a: {value}")
    assert read_yaml("a: !!int 1") == {"a": 1}


NESTED = {
    "lists": lambda depth: "[" * depth + "]" * depth,
    "mappings": lambda depth: "{a: " * depth + "1" + "}" * depth,
    "references": lambda depth: "${" * depth + "a" + "}" * depth,
    "dashes": lambda depth: "- " * depth + "1",
    "lines": lambda depth: "".join(f"{' ' * level}a:\n" for level in range(depth)),
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED.keys())
def test_what_is_nested_too_deeply_is_refused(nested: Callable[[int], str]) -> None:
    """A parser in C has no check of its stack: twenty thousand brackets end the process."""
    assert refuse_yaml_bomb(nested(DEEPEST)) == nested(DEEPEST)
    for depth in (DEEPEST + 2, 20_000 if nested is not NESTED["lines"] else 500):
        with pytest.raises(yaml.YAMLError, match=f"more than {DEEPEST} levels deep"):
            refuse_yaml_bomb(nested(depth))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: [1, 2\nc: 3\n", ", line 3: expected ',' or ']', but got ':'"),
        (b"a: 1\n\tb: 2\n", ", line 2: "),
        (b"a: !!python/object/apply:os.system [x]\n", ", line 1: could not determine a constructor for the tag"),
        (b"a: \xff\n", ": is no text in UTF-8"),
        (b"a: \x00\n", ": unacceptable character #x0000"),
        (b"a: !!timestamp x\n", ": a value is not what its tag, such as !!timestamp, says"),
        (b"- 1\n", ": is no config, which has keys and values"),
        (b"a: " + b"9" * 5000, ": Exceeds the limit"),
        (b"a: " + b"[" * 20_000, f": its values lie more than {DEEPEST} levels deep"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        build(["--config", "conf/demo.yaml", "--config", str(path), "--runs_folder", str(tmp_path / "runs")])
    assert str(caught.value).startswith(f"--config {path}{said}") and "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_file_of_nothing_is_a_config(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    check_config_file(tmp_path / "empty.yaml")
    with pytest.raises(UserError, match=r"--config .*there\.yaml: cannot be read, No such file"):
        check_config_file(tmp_path / "there.yaml")
