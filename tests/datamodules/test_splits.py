import os

import numpy as np
import pytest

from datamodules.splits import split_by_fraction, split_by_lists

PATHS = [f"{action}/person{person}_{take}.mp4" for action in "ab" for person in range(10) for take in range(3)]


def named(split, paths=PATHS):
    """The paths for training and those for validation."""
    return tuple({path for path, is_wanted in zip(paths, mask, strict=True) if is_wanted} for mask in split)


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, 6), (0.5, 30), (0.001, 1), (0.99, 59)])
def test_fraction_of_the_videos(fraction, expected):
    train, validation = named(split_by_fraction(PATHS, fraction, None))
    assert len(validation) == expected
    assert train | validation == set(PATHS) and not train & validation


def test_split_does_not_depend_on_the_order_of_paths():
    one, other = (named(split_by_fraction(paths, 0.3, None), paths) for paths in (PATHS, PATHS[::-1]))
    assert one == other


def test_new_videos_move_few_old_ones():
    more = [*PATHS, "c/new.mp4"]
    _, before = named(split_by_fraction(PATHS, 0.3, None))
    _, after = named(split_by_fraction(more, 0.3, None), more)
    assert len(before - after) <= 1


def test_the_videos_held_out_are_those_of_the_least_hashes():
    """They stay the same from version to version."""
    paths = [f"{number}.mp4" for number in range(10)]
    assert named(split_by_fraction(paths, 0.3, None), paths)[1] == {"7.mp4", "8.mp4", "9.mp4"}
    same = split_by_fraction(["a", "b", "a", "c"], 0.4, None)
    assert same[1][0] == same[1][2] and np.array_equal(same[0], ~same[1])


def test_names_that_are_no_text():
    paths = [os.fsdecode(b"\xff.mp4"), "a.mp4", "b.mp4"]
    assert np.count_nonzero(split_by_fraction(paths, 0.3, None)[1]) == 1


def test_groups_are_not_divided():
    train, validation = named(split_by_fraction(PATHS, 0.2, r"person(\d+)"))
    people = [{path.split("person")[1].split("_")[0] for path in part} for part in (train, validation)]
    assert len(people[1]) == 2 and len(people[0]) == 8 and not people[0] & people[1]


def test_no_validation():
    assert named(split_by_fraction(PATHS, 0, "does not matter")) == (set(PATHS), set())


@pytest.mark.parametrize(
    ("fraction", "pattern", "message"),
    [
        (1.0, None, "validation_fraction is 1.0; it must be at least 0 and below 1"),
        (-0.1, None, "validation_fraction is -0.1"),
        (0.995, None, "of 60 videos leaves nothing to train with"),
        (0.1, "(mp4)", "of 1 groups leaves nothing to train with"),
        (0.1, "person", "has no group"),
        (0.1, "person(", "is no regular expression"),
        (0.1, r"person([0-8])", "does not fit 6 videos: a/person9_0.mp4, a/person9_1.mp4, a/person9_2.mp4 and 3 more"),
        (0.1, r"person|(x)", "does not fit 60 videos"),
    ],
)
def test_mistakes_in_a_fraction(fraction, pattern, message):
    with pytest.raises(ValueError) as error:
        split_by_fraction(PATHS, fraction, pattern)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.fixture
def write_list(tmp_path):
    def write(name: str, lines: list[str]) -> str:
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(tmp_path / name)

    return write


def test_lists(write_list):
    train_list = write_list("train.txt", ["# for training", "", *PATHS[:10]])
    validation_list = write_list("validation.txt", [f"  {path} " for path in PATHS[10:15]])
    assert named(split_by_lists(PATHS, train_list, validation_list)) == (set(PATHS[:10]), set(PATHS[10:15]))
    assert named(split_by_lists(PATHS, train_list, None)) == (set(PATHS[:10]), set(PATHS[10:]))
    assert named(split_by_lists(PATHS, None, validation_list)) == (set(PATHS) - set(PATHS[10:15]), set(PATHS[10:15]))


def test_mistakes_in_lists(write_list, tmp_path):
    some, all_of_them = write_list("some.txt", PATHS[:5]), write_list("all.txt", PATHS)
    unknown, empty = write_list("unknown.txt", ["x.mp4", PATHS[0]]), write_list("empty.txt", [])
    for train, validation, kind, message in (
        (str(tmp_path / "no.txt"), None, FileNotFoundError, "no.txt: no such list of videos"),
        (unknown, None, ValueError, "unknown.txt names 1 videos that are not below root: x.mp4;"),
        (some, all_of_them, ValueError, "share videos: a/person0_0.mp4"),
        (None, all_of_them, ValueError, "all.txt leaves nothing to train with"),
        (empty, None, ValueError, "empty.txt leaves nothing to train with"),
    ):
        with pytest.raises(kind) as error:
            split_by_lists(PATHS, train, validation)
        assert message in str(error.value) and "\n" not in str(error.value)
