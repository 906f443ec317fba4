import re
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from metrics.cache_folder import cache_folder
from metrics.efficientnet_lite import WEIGHT_FILE
from metrics.weights import (
    I3D_KINETICS400,
    INCEPTION_2015_12_05,
    WeightFile,
    file_sha256,
    find_weights,
    load_weights,
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.pth"
    torch.save({"weight": torch.arange(6.0)}, path)
    return path


def known(source: Path) -> WeightFile:
    """What is known of the file that lies at its source now."""
    return WeightFile("net.pth", source.as_uri(), file_sha256(source) if source.is_file() else "0" * 64)


def cached_files() -> list[str]:
    folder = cache_folder("weights")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINOGAN_CACHE", str(tmp_path / "x"))
    assert cache_folder("weights") == tmp_path / "x" / "weights"
    monkeypatch.delenv("KINOGAN_CACHE")
    assert cache_folder("weights") == Path.home() / ".cache" / "kinogan" / "weights"


def test_downloads_once(published: Path) -> None:
    file = known(published)
    path = find_weights(file)
    assert path == cache_folder("weights") / "net.pth"
    assert path.read_bytes() == published.read_bytes()
    assert cached_files() == ["net.pth"]
    published.unlink()
    assert find_weights(file) == path


def test_a_given_path_comes_first(published: Path) -> None:
    assert find_weights(replace(known(published), url="file:///nowhere"), published) == published
    assert cached_files() == []


def test_a_given_file_must_be_the_published_one(published: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(published.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"other.pth has SHA-256 .*, and should have .* Give the published file\.$"):
        find_weights(known(published), other)


@pytest.mark.parametrize("file", [INCEPTION_2015_12_05, I3D_KINETICS400, WEIGHT_FILE])
def test_every_published_file_is_known_by_its_whole_digest(file: WeightFile) -> None:
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)


def test_a_given_path_must_exist(published: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No weight file .*other.pth. Download file:.*published.pth"):
        find_weights(known(published), tmp_path / "other.pth")


def test_without_file_and_network_one_line_says_what_to_do(tmp_path: Path) -> None:
    nowhere = known(tmp_path / "gone.pth")
    with pytest.raises(FileNotFoundError) as caught:
        find_weights(nowhere)
    message = str(caught.value)
    assert "\n" not in message
    assert "The weight file net.pth is missing and could not be downloaded" in message
    assert message.endswith(f"get {nowhere.url} and put it into {cache_folder('weights')}.")
    assert cached_files() == []


def test_a_download_with_another_digest_leaves_nothing(published: Path) -> None:
    with pytest.raises(ValueError, match=r"SHA-256 .*, and should have 0123abcd0123abcd\.\.\. The download is broken"):
        find_weights(replace(known(published), sha256="0123abcd" * 8))
    assert cached_files() == []


def test_a_file_damaged_in_the_cache_is_refused(published: Path) -> None:
    file = known(published)
    path = find_weights(file)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"Delete it, and file:.* is downloaded again"):
        find_weights(file)


class BreaksOff(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 300)

    def log_message(self, *_: object) -> None:
        pass


def test_a_download_that_breaks_off_leaves_nothing() -> None:
    server = HTTPServer(("127.0.0.1", 0), BreaksOff)
    Thread(target=server.handle_request, daemon=True).start()
    file = WeightFile("net.pth", f"http://127.0.0.1:{server.server_port}/net.pth", "0" * 64)
    with pytest.raises(FileNotFoundError, match=r"broke off after 300 of 1000 bytes"):
        find_weights(file)
    server.server_close()
    assert cached_files() == []


def test_loads_tensors(published: Path) -> None:
    assert torch.equal(load_weights(published)["weight"], torch.arange(6.0))


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save(Evil(tmp_path / "touched"), path)
    with pytest.raises(ValueError, match="is not a file of weights that torch can load") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "touched").exists()


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_file_with_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.pth"
    torch.save([torch.zeros(2)], path)
    with pytest.raises(ValueError, match=r"holds no state dict \(names and tensors\) but list"):
        load_weights(path)
