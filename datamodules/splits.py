"""Which videos are for training and which for validation."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from video_io.folders import name_a_few

Split = tuple[np.ndarray, np.ndarray]  # which videos are for training, and which for validation, (N,) bool each


def split_by_fraction(paths: Sequence[str], validation_fraction: float, group_pattern: str | None) -> Split:
    """Divide paths by the hash of their group's name: the same whatever the seed, the machine or the order of paths.

    Args:
        paths: relative to the root.
        validation_fraction: share of the groups that go to validation, rounded, but at least one; 0 for none.
        group_pattern: regular expression, searched in each path; its first group names what must not be divided between
            the splits, e.g. the person who is filmed.  None: every video is a group.

    Raises: ValueError if the fraction leaves nothing for training, or the pattern is wrong or does not fit a path.
    """
    if not 0 <= validation_fraction < 1:
        raise ValueError(f"validation_fraction is {validation_fraction}; it must be at least 0 and below 1")
    if validation_fraction == 0:
        return np.ones(len(paths), bool), np.zeros(len(paths), bool)
    places = _places(paths if group_pattern is None else _groups(paths, group_pattern))
    groups = np.unique(places)
    num_validation = max(1, round(validation_fraction * len(groups)))
    if num_validation >= len(groups):
        raise ValueError(
            f"validation_fraction {validation_fraction} of {len(groups)} "
            f"{'videos' if group_pattern is None else 'groups'} leaves nothing to train with; lower it, or set it to 0"
        )
    validation = places <= groups[num_validation - 1]
    return ~validation, validation


def split_by_lists(paths: Sequence[str], train_list: str | None, validation_list: str | None) -> Split:
    """Divide paths by text files of one path a line, relative to the root; without one of them, it is all the rest.

    Empty lines and lines that start with "#" mean nothing.

    Raises: FileNotFoundError if there is no such file; ValueError if it names a video that is not there, if both name
        the same one, or if nothing is left to train with.
    """
    everything = frozenset(paths)
    named = [everything if each is None else read_list(each, everything) for each in (train_list, validation_list)]
    if train_list is not None and validation_list is not None and (both := named[0] & named[1]):
        raise ValueError(f"{train_list} and {validation_list} share videos: {name_a_few(sorted(both))}")
    train, validation = (np.array([path in each for path in paths], bool) for each in named)
    if train_list is None:
        train &= ~validation
    elif validation_list is None:
        validation &= ~train
    if not train.any():
        raise ValueError(f"{train_list or validation_list} leaves nothing to train with")
    return train, validation


def _places(groups: Sequence[str]) -> np.ndarray:
    """Where each group stands in the order of the groups' hashes: the first 64 bits, of which no two are alike."""
    hashes = (hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()[:8] for group in groups)
    return np.frombuffer(b"".join(hashes), ">u8")


def _groups(paths: Sequence[str], group_pattern: str) -> list[str]:
    """The group of each path."""
    try:
        pattern = re.compile(group_pattern)
    except re.error as error:
        raise ValueError(f"group_pattern {group_pattern!r} is no regular expression: {error}") from error
    if pattern.groups == 0:
        raise ValueError(f"group_pattern {group_pattern!r} has no group; put what names the group in (...)")
    matches = [pattern.search(path) for path in paths]
    strangers = [path for path, match in zip(paths, matches, strict=True) if match is None or match[1] is None]
    if strangers:
        raise ValueError(
            f"group_pattern {group_pattern!r} does not fit {len(strangers)} videos: {name_a_few(strangers)}"
        )
    return [match[1] for match in matches if match is not None]


def read_list(list_file: str, everything: frozenset[str]) -> frozenset[str]:
    """The videos that a text file names, one path a line; empty lines and lines that start with "#" mean nothing.

    Raises: FileNotFoundError if there is no such file, ValueError if it names a video that is not among `everything`.
    """
    if not Path(list_file).is_file():
        raise FileNotFoundError(f"{list_file}: no such list of videos")
    lines = [line.strip() for line in Path(list_file).read_text(encoding="utf-8").splitlines()]
    listed = [line for line in lines if line and not line.startswith("#")]
    unknown = [path for path in listed if path not in everything]
    if unknown:
        raise ValueError(
            f"{list_file} names {len(unknown)} videos that are not below root: {name_a_few(unknown)}; "
            "write one path a line, relative to root"
        )
    return frozenset(listed)
