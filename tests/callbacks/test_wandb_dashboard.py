import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wandb

from callbacks.distribution_metrics import DistributionMetrics
from callbacks.sample_videos import SampleVideos
from callbacks.wandb_dashboard import WandbDashboard, expect_answer
from tests.callbacks.fakes import ColourFeatures, TinyData, TinyModule, make_trainer
from tests.callbacks.wandb_log import read_part, read_run
from video_io.reading import probe


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of this machine's user; runs that a test leaves behind end with it."""
    for name in ("WANDB_PROJECT", "WANDB_DIR", "WANDB_NAME", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):  # set by the dashboard, which monkeypatch then undoes
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    end_wandb()


def end_wandb() -> None:
    """As the end of the process does: end the run, wait until all is written, forget what the environment said."""
    wandb.finish()
    wandb.teardown()


def fit(folder: Path, logger: WandbDashboard) -> None:
    network = ColourFeatures()
    metrics = DistributionMetrics(2, num_videos=4, fid_network=network, fvd_network=network)
    trainer = make_trainer(folder, SampleVideos(2), metrics, max_steps=4, logger=logger)
    logger.log_hyperparams({"model": {"learning_rate": 0.01, "class_path": "fakes.TinyModule"}})
    trainer.fit(TinyModule(), datamodule=TinyData())
    end_wandb()


def test_an_offline_run_holds_history_config_and_videos(tmp_path: Path) -> None:
    folder = tmp_path / "wgan_gp" / "run1"
    fit(folder, WandbDashboard(folder, project="figures"))
    run = read_run(folder)
    assert (run.project, run.name) == ("figures", "wgan_gp/run1")
    assert run.config["model"] == {"learning_rate": 0.01, "class_path": "fakes.TinyModule"}
    assert run.step_metrics["*"] == "trainer/global_step"
    assert list(run.of("discriminator/loss")) == [1, 2, 3, 4]
    cards = [json.loads(line) for line in (folder / "metrics" / "fvd4_4f-colours.jsonl").read_text().splitlines()]
    assert run.of("fvd4_4f/colours") == {card["step"]: pytest.approx(card["value"]) for card in cards}
    assert list(run.of("samples/generated/videos")) == [2, 4]
    (shown,) = run.of("samples/generated/videos")[4]
    (media,) = folder.glob(f"wandb/offline-run-*/files/{shown['path']}")
    assert media.read_bytes() == (folder / "samples" / "step-00000004.mp4").read_bytes()
    assert probe(media).fps == 8.0
    assert list(run.of("samples/real/videos")) == [0]


def test_everything_is_below_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    logger = WandbDashboard(tmp_path / "run")
    logger.log_table("table", columns=["a"], data=[[1]])
    logger.experiment.finish()
    assert Path(os.environ["WANDB_DATA_DIR"]) == tmp_path / "run" / "wandb" / "data"
    assert not (tmp_path / "home" / ".local").exists()
    assert not (tmp_path / "home" / ".cache").exists()


def test_where_the_files_are_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logger = WandbDashboard(tmp_path)
    logger.log_metrics({"a": 1.0}, step=1)
    logger.experiment.finish()
    (run_folder,) = tmp_path.glob("wandb/offline-run-*")
    assert capfd.readouterr().err == f"W&B: logging to files, upload with: wandb sync {run_folder}\n"


def test_a_run_that_goes_on_is_the_same_without_a_point_twice(tmp_path: Path) -> None:
    parts = []
    for steps in (range(1, 4), range(2, 6)):  # killed at step 3, its checkpoint is of step 1
        logger = WandbDashboard(tmp_path)
        for step in steps:
            logger.log_metrics({"loss": step / 10}, step=step)
        logger.experiment.finish()
        (path,) = {*tmp_path.glob("wandb/offline-run-*"), *parts} - {*parts}
        parts.append(path)
        time.sleep(1.1)  # the folder's name has the second
    assert len({path.name.rpartition("-")[2] for path in parts}) == 1  # the id
    logged = [read_part(path).of("loss") for path in parts]
    assert logged == [{1: 0.1, 2: 0.2, 3: 0.3}, {4: 0.4, 5: 0.5}]


def test_nothing_of_the_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--data.root", "canary-argument"])
    monkeypatch.setenv("CANARY_TOKEN", "canary-variable")
    logger = WandbDashboard(tmp_path)
    logger.log_metrics({"loss": 1.0}, step=1)
    end_wandb()
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in found)
    assert not [path for path in found if b"canary" in path.read_bytes()]
    assert not {"requirements.txt", "wandb-metadata.json"} & {path.name for path in found}


def test_without_a_key_a_run_is_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    fit(tmp_path / "run", WandbDashboard(tmp_path / "run"))
    assert list(read_run(tmp_path / "run").of("generator/loss")) == [1, 2, 3, 4]


def test_building_one_does_not_import_wandb() -> None:
    code = "import sys, callbacks.wandb_dashboard as w; w.WandbDashboard('.'); sys.exit('wandb' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False).returncode == 0


def test_other_ranks_begin_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = WandbDashboard(tmp_path)
    logger.log_metrics({"a": 1.0}, step=1)
    logger.experiment.log({"a": 1})
    assert list(tmp_path.iterdir()) == []


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts and never answers."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    accepted: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):  # closed
            while True:
                accepted.append(listening.accept()[0])

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()
    for each in accepted:
        each.close()


@contextmanager
def refusing_server() -> Iterator[str]:
    """Answers everything with 404, as a proxy or another program on that address does."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def nobody() -> Iterator[str]:
    yield "http://127.0.0.1:1"


@pytest.mark.parametrize("server", [nobody, silent_server, refusing_server])
def test_a_server_that_is_not_there_does_not_stop_a_run(  # type: ignore[no-untyped-def]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], server
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    with server() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        start = time.monotonic()
        fit(tmp_path, WandbDashboard(tmp_path, answer_timeout=1.0, finish_timeout=1.0))
        assert time.monotonic() - start < 20
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B: "))
    assert re.fullmatch(r"W&B: cannot be used online, .+; logging to files, upload with: wandb sync \S+", line)
    assert list(read_run(tmp_path).of("generator/loss")) == [1, 2, 3, 4]


def test_an_answer_is_an_answer_and_silence_is_not() -> None:
    with refusing_server() as url:
        expect_answer(url, 5.0)
    with silent_server() as url, pytest.raises(OSError, match=r"does not answer"):
        expect_answer(url, 0.2)
    with pytest.raises(OSError, match=r"http://127.0.0.1:1 does not answer .*refused"):
        expect_answer("http://127.0.0.1:1", 0.2)


def test_a_key_that_cannot_be_one_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "too short")
    WandbDashboard(tmp_path).log_metrics({"a": 1.0}, step=1)
    assert re.search(r"W&B: cannot be used online, .*WANDB_API_KEY.*; logging to files", capfd.readouterr().err)
    assert list(tmp_path.glob("wandb/offline-run-*"))


@pytest.mark.parametrize("argument", ["answer_timeout", "finish_timeout"])
def test_refuses_no_time(argument: str) -> None:
    with pytest.raises(ValueError, match=f"WandbDashboard.{argument} is 0; it must be above 0 seconds"):
        WandbDashboard(**{argument: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("problem", [wandb.errors.CommError("no\nservice"), OSError("no place"), ImportError("broken")])
def test_wandb_that_cannot_even_begin_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], problem: Exception
) -> None:
    def fail(**_: object) -> None:
        raise problem

    monkeypatch.setattr(wandb, "init", fail)
    fit(tmp_path, WandbDashboard(tmp_path))
    said = " ".join(str(problem).split())
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B"))
    assert line == f"W&B cannot be used any more ({said}); going on without it, metrics.csv has all"
    assert (tmp_path / "samples" / "step-00000004.mp4").exists()
