import re
from urllib.parse import urlparse

import pytest

from metrics.weight_files import WEIGHT_FILES, WeightFile


def test_names_and_file_names_are_one_file_each() -> None:
    assert len({file.name for file in WEIGHT_FILES}) == len(WEIGHT_FILES) == 12
    assert len({file.file_name for file in WEIGHT_FILES}) == len(WEIGHT_FILES)


@pytest.mark.parametrize("file", WEIGHT_FILES, ids=[file.name for file in WEIGHT_FILES])
def test_every_row_is_whole(file: WeightFile) -> None:
    assert file.kind in ("state dict", "TorchScript", "npz", "MATLAB")
    assert file.used_by
    assert file.licence
    assert bool(file.urls) != bool(file.package)
    assert bool(file.package) == bool(file.package_path)
    assert all(urlparse(url).scheme == "https" and file.file_name in url for url in file.urls)
    assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert file.git_blob is None or re.fullmatch("[0-9a-f]{40}", file.git_blob)
    assert file.if_dead.endswith(".")


@pytest.mark.parametrize("name", ["inception_2015_12_05", "alexnet", "efficientnet_lite0"])
def test_digits_in_a_files_name_are_its_digests(name: str) -> None:
    file = next(file for file in WEIGHT_FILES if file.name == name)
    assert file.sha256 is not None
    assert file.sha256.startswith(file.file_name.rpartition("-")[2].removesuffix(".pth"))


def test_programs_run_only_where_a_digest_or_a_first_use_is_known() -> None:
    """Of the two programs one has a published digest."""
    digests = {file.name: file.sha256 for file in WEIGHT_FILES if file.kind == "TorchScript"}
    assert digests["i3d_torchscript"] is not None
    assert digests == {"i3d_torchscript": digests["i3d_torchscript"], "c3d_ucf101_torchscript": None}
