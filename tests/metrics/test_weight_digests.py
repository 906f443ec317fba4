import hashlib
import json
import multiprocessing
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from metrics.weight_digests import check_digest, expected_sha256, file_sha256, known_digests_path
from metrics.weight_files import WeightFile


def unpublished(**changes: str) -> WeightFile:
    row = {"name": "net", "file_name": "net.pt", "kind": "TorchScript", "used_by": "a test", "licence": "none"}
    return WeightFile(**{**row, **changes})  # type: ignore[arg-type]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def archive(path: Path, content: str = "first", member: str = "net/constants.pkl") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(member, content)
    return path


def test_digest_of_a_file_that_changes(tmp_path: Path) -> None:
    path = written(tmp_path / "net.pt", b"abc")
    assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()
    written(path, b"abcd")
    assert file_sha256(path) == hashlib.sha256(b"abcd").hexdigest()


def test_the_first_use_is_recorded_and_later_changes_are_refused(tmp_path: Path) -> None:
    file, path = unpublished(), archive(tmp_path / "net.pt")
    first = file_sha256(path)
    assert expected_sha256(file) is None
    with pytest.warns(UserWarning, match=f"publishes the SHA-256 of net.pt; the file at hand, {first}, is taken"):
        check_digest(file, path, "")
    assert json.loads(known_digests_path().read_text()) == {"net.pt": first}
    assert expected_sha256(file) == first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_digest(file, path, "")
    second = file_sha256(archive(path, "second"))
    with pytest.raises(ValueError, match=f"SHA-256 {second}, and net.pt had {first} when") as caught:
        check_digest(file, path, "Give the file of then.")
    assert "Give the file of then. If the new file is the one to trust, delete its line in" in str(caught.value)
    assert str(known_digests_path()) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:nobody publishes")
def test_other_files_records_stay(tmp_path: Path) -> None:
    path = archive(tmp_path / "net.pt")
    for name in ("b.pt", "a.pt", "b.pt"):
        check_digest(unpublished(file_name=name), path, "")
    assert list(json.loads(known_digests_path().read_text())) == ["a.pt", "b.pt"]


def half(path: Path) -> Path:
    return written(path, archive(path, "first" * 100).read_bytes()[:300])


def flipped(path: Path) -> Path:
    return written(path, archive(path).read_bytes().replace(b"first", b"fIrst"))


@pytest.mark.parametrize("kind", ["TorchScript", "npz"])
@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda path: written(path, b"<!DOCTYPE html>"), "File is not a zip file"),
        (half, "File is not a zip file"),
        (flipped, "net/constants.pkl in it is damaged"),
        (lambda path: archive(path, member="pages/index.html"), r"it holds no (constants\.pkl|\.npy)"),
    ],
    ids=["web page", "half a download", "one letter", "another archive"],
)
def test_what_is_no_such_file_is_not_recorded(
    tmp_path: Path, kind: str, write: Callable[[Path], Path], problem: str
) -> None:
    with pytest.raises(ValueError, match=rf"is no whole {kind} file \({problem}\)\. Try again"):
        check_digest(unpublished(kind=kind), write(tmp_path / "net.pt"), "Try again.")
    assert not known_digests_path().exists()


def test_a_git_object_decides_about_the_first_use(tmp_path: Path) -> None:
    """`git hash-object` of b"what is up, doc?", from the book Pro Git."""
    path = written(tmp_path / "net.pt", b"what is up, doc?")
    file = unpublished(kind="state dict", git_blob="bd9dbf5aae1a3862dd1526723246b20206e5fc37")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_digest(file, path, "")
    assert expected_sha256(file) == file_sha256(path)
    other = unpublished(kind="state dict", file_name="b.pt", git_blob="0" * 40)
    with pytest.raises(ValueError, match=r"git object bd9dbf5aae1a3862\.\.\., and should be 0000000000000000\.\.\. X"):
        check_digest(other, path, "X")
    assert expected_sha256(other) is None


def test_a_damaged_record_is_one_line(tmp_path: Path) -> None:
    path = archive(tmp_path / "net.pt")
    known_digests_path().parent.mkdir(parents=True)
    for content, message in (("{", "cannot be read"), ("[]", "should map names of weight files to digests")):
        known_digests_path().write_text(content)
        with pytest.raises(ValueError, match=message) as caught:
            check_digest(unpublished(), path, "")
        assert "\n" not in str(caught.value)


def test_a_record_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINOGAN_CACHE", str(written(tmp_path / "a_file", b"")))
    with pytest.raises(ValueError, match=r"cannot be re.*d.*known_sha256.json"):
        check_digest(unpublished(), archive(tmp_path / "net.pt"), "")


def record(name: str, path: Path) -> None:
    warnings.simplefilter("ignore")
    check_digest(unpublished(file_name=name), path, "")


def test_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = archive(tmp_path / "net.pt")
    names = [f"{number}.pt" for number in range(12)]
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(record, [(name, path) for name in names], chunksize=1)
    assert sorted(json.loads(known_digests_path().read_text())) == sorted(names)
    assert sorted(each.name for each in known_digests_path().parent.iterdir() if each.suffix != ".lock") == [
        "known_sha256.json"
    ]
