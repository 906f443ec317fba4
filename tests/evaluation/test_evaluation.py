"""Whole evaluations: of a run's generator, and by several processes."""

import contextlib
import json
import os
import socket
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing

from evaluation.command_line import main, measure_parser
from evaluation.evaluation import evaluate
from evaluation.processes import Processes
from evaluation.results import Results
from metrics.card import MetricCard
from metrics.protocols import NETWORKS
from tests.evaluation.networks import Quarters, array


@pytest.fixture(autouse=True)
def quarters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(NETWORKS, "quarters", Quarters)
    monkeypatch.setattr(Quarters, "seen", 0)
    monkeypatch.chdir(tmp_path)


def evaluated(*arguments: str) -> tuple[dict[str, MetricCard], Path | None]:
    results, page = evaluate(measure_parser().parse_args(list(arguments)), torch.device("cpu"))
    assert results is not None and results.failed == {}
    assert Results.read(Path("result.json")) == results
    return {card.key: card for card in results.cards}, page


def of_run(run: Path, videos: Path, *more: str) -> MetricCard:
    cards, _ = evaluated("--real", str(videos), "--fake", str(run), "--metrics", "fvd6_8f/quarters", *more)
    return cards["fvd6_8f/quarters"]


def test_a_run_is_measured_by_its_average(trained_run: Path, video_folder: Path) -> None:
    average = of_run(trained_run, video_folder)
    assert average.sampling == {"weights": "moving average", "truncation": 1.0, "conditions_on_clips": False}
    assert (average.step, average.frame_size, average.num_real, average.fake_rule) == (2, (16, 16), 6, None)
    assert str(trained_run) in average.fake and "moving average of step 2" in average.fake
    latest = of_run(trained_run, video_folder, "--weights", "latest", "--no_page")
    truncated = of_run(trained_run, video_folder, "--truncation", "0.5", "--no_page")
    assert len({average.value, latest.value, truncated.value}) == 3
    assert average.differences(latest) == average.differences(truncated) == ["sampling"]
    checkpoint = trained_run / "checkpoints/last.ckpt"
    assert of_run(trained_run, video_folder, "--checkpoint", str(checkpoint), "--no_page") == average


def test_frames_of_a_run_come_from_clips_of_its_own_length(trained_run: Path, video_folder: Path) -> None:
    cards, page = evaluated(
        "--real", str(video_folder), "--fake", str(trained_run), "--metrics",
        "fid40/quarters,flow_warping_error_8f,memorisation4_8f/quarters", "--num_videos", "3",
    )  # fmt: skip
    assert [(card.num_fake, card.num_real) for card in cards.values()] == [(40, 40), (3, 0), (4, 8)]
    assert cards["fid40/quarters"].num_frames == 8
    assert page is not None
    assert "training" in page.read_text()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--metrics", "fvd6_9f/quarters"], "fvd6_9f/quarters: clips of 9 frames .*makes 8; take another protocol"),
        (["--metrics", "fid12/quarters"], "the frames are those of clips of 8, so take a multiple of 8"),
        (["--metrics", "psnr_8f"], "compares each clip with the real one that it was made from, and this generator's"),
        (["--size", "32"], "makes frames of 16x16, and 32x32 are wanted"),
        (["--fake_list", "x.txt"], r"--fake_list x\.txt: is for videos"),
        (["--checkpoint", "best"], "there is no such checkpoint; this run has .*step-00000002"),
        (["--truncation", "2"], "truncation is 2.0; it must be above 0"),
        (["--real", "RUN"], "is a run; give real videos, and the run as --fake"),
    ],
)
def test_mistakes_with_a_run(trained_run: Path, video_folder: Path, more: list[str], expected: str) -> None:
    more = [str(trained_run) if each == "RUN" else each for each in more]
    with pytest.raises((ValueError, OSError), match=expected) as raised:
        of_run(trained_run, video_folder, *more)
    assert "\n" not in str(raised.value) and not Path("result.json").exists() and Quarters.seen == 0


def test_what_was_computed_is_written_even_if_the_program_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    array(Path("real.npy"), 6)
    monkeypatch.setattr(
        "metrics.paired.PSNR.score", lambda *arguments: 1 / 0 if len(arguments[1]) > 1 else torch.ones(1, 1)
    )
    monkeypatch.setattr("evaluation.scoring.MISTAKES", (ValueError,))
    options = ["--real", "real.npy", "--fake", "real.npy", "--metrics", "psnr_8f,kvd6_8f/quarters"]
    with pytest.raises(ZeroDivisionError):
        evaluated(*options)
    results = Results.read(Path("result.json"))
    assert [card.key for card in results.cards] == ["kvd6_8f/quarters"]
    assert results.failed == {"psnr_8f": "not measured, the evaluation was stopped before"}


def test_a_page_that_fails_takes_no_number_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **given: object) -> None:
        raise ValueError("no font")

    array(Path("real.npy"), 6)
    monkeypatch.setattr("evaluation.evaluation.write_page", broken)
    assert main(["--real", "real.npy", "--fake", "real.npy", "--metrics", "psnr_8f"]) == 1
    results = Results.read(Path("result.json"))
    assert results.failed == {"page": "no font"} and len(results.cards) == 1


def test_efficientnet_by_the_command_line() -> None:
    """The network that comes with the installation; a damaged copy is farther than a shifted one."""
    videos = np.load(array(Path("real.npy"), 3, num_frames=2, size=32))
    np.save("noisy.npy", (videos ^ 63).astype(np.uint8))
    values = []
    for fake in ("real.npy", "noisy.npy"):
        cards, _ = evaluated(
            "--real", "real.npy", "--fake", fake, "--metrics", "fvd3_2f/efficientnet_lite0,fid6/efficientnet_lite0",
            "--no_page",
        )  # fmt: skip
        values.append([card.value for card in cards.values()])
        assert all("the covariance is guessed" in card.warnings[0] for card in cards.values())
    assert values[0] == pytest.approx([0, 0], abs=1e-4) and min(values[1]) > 1


# ---- several processes ----

METRICS = (
    "fvd11_8f/quarters,fid88/quarters,kvd11_8f/quarters,prdc11_8f/quarters,is11_8f/quarters,memorisation11_8f/quarters,"
    "psnr_8f,flow_warping_error_8f"
)
GROUPS = {2: range(2), 4: range(4)}
RUNS = {"cold": [], "warm": ["--no_page"], "mistake": ["--size", "4096", "--fake", "gone"]}


def arguments(folder: str, output: str, *more: str) -> list[str]:
    return [
        "--real", f"{folder}/real.npy", "--fake", f"{folder}/fake.npy", "--metrics", METRICS, "--batch_size", "4",
        "--output", f"{folder}/{output}", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one, two and four processes have written, in one start of processes."""
    folder = tmp_path_factory.mktemp("processes")
    array(folder / "real.npy", 11, seed=1)  # batches of 4, 4 and 3: the fourth process has nothing
    array(folder / "fake.npy", 11, seed=2, shift=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOGAN_CACHE", str(folder / "cache of one"))
        patch.setitem(NETWORKS, "quarters", Quarters)
        assert main(arguments(str(folder), "one.json", "--no_page")) == 0
        torch.multiprocessing.spawn(process, (str(folder), free_ports(len(GROUPS) * len(RUNS))), nprocs=4)
    return folder


def free_ports(count: int) -> list[int]:
    """Numbers of ports that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def process(rank: int, folder: str, ports: list[int]) -> None:
    """Each group as torchrun would start it; what a process prints goes to a file."""
    torch.set_num_threads(1)
    NETWORKS["quarters"] = Quarters
    report: dict[str, Any] = {}
    # A port for each: the others may begin the next one while the first process still writes its page.
    for (world_size, (name, more)), port in zip(product(GROUPS, RUNS.items()), ports, strict=True):
        if rank not in GROUPS[world_size]:
            continue
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        os.environ |= {"WORLD_SIZE": str(world_size), "KINOGAN_CACHE": f"{folder}/cache of {world_size}"}
        Quarters.seen = 0
        with (
            Path(f"{folder}/{world_size} {name} {rank}.out").open("w") as out,
            Path(f"{folder}/{world_size} {name} {rank}.err").open("w") as err,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(arguments(folder, f"{world_size} {name}.json", *more))
        report[f"{world_size} {name}"] = {"code": code, "seen": Quarters.seen}
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=4)
    report["together"] = together_in_four(rank)
    torch.distributed.destroy_process_group()
    Path(f"{folder}/{rank}.json").write_text(json.dumps(report))


def together_in_four(rank: int) -> list[str]:
    """What each process is told when one of them fails, when two do, and when none does."""
    told = []
    for failing in ({2}, {1, 3}, set()):

        def work(failing: set[int] = failing) -> str:
            if rank in failing:
                raise FileNotFoundError(f"{rank} has no file")
            return f"{rank} is done"

        try:
            told.append(Processes.running().together(work))
        except ValueError as error:
            told.append(str(error))
    order: list[int] = []
    Processes.running().one_then_all(lambda: order.append(rank))
    return [*told, str(order)]


@pytest.mark.ddp
@pytest.mark.parametrize("name", ["2 cold", "2 warm", "4 cold", "4 warm"])
def test_several_processes_measure_what_one_does(folder: Path, name: str) -> None:
    one, several = Results.read(folder / "one.json"), Results.read(folder / f"{name}.json")
    assert [card.key for card in one.cards] == [card.key for card in several.cards]
    for a, b in zip(one.cards, several.cards, strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-9, abs=1e-12), a.key
        assert a.interval == pytest.approx(b.interval, rel=1e-9, abs=1e-12), a.key
        assert a.curve == pytest.approx(b.curve, rel=1e-9)
        assert a.differences(b) == []


@pytest.mark.ddp
@pytest.mark.parametrize("world_size", GROUPS)
def test_processes_share_work_and_cache(folder: Path, world_size: int) -> None:
    reports = [json.loads((folder / f"{rank}.json").read_text()) for rank in GROUPS[world_size]]
    cold, warm = ([each[f"{world_size} {name}"]["seen"] for each in reports] for name in ("cold", "warm"))
    assert sum(cold) == 2 * 22 and sum(warm) == 22  # two passes; of the fake side alone
    assert (cold[-1] == 0) == (world_size == 4)
    caches = [folder / f"cache of {name}/statistics" for name in ("one", world_size)]
    one, several = (sorted(each.name for each in cache.iterdir()) for cache in caches)
    assert one == several


@pytest.mark.ddp
@pytest.mark.parametrize("world_size", GROUPS)
def test_only_the_first_process_prints(folder: Path, world_size: int) -> None:
    for rank in GROUPS[world_size]:
        out, err = ((folder / f"{world_size} cold {rank}.{each}").read_text() for each in ("out", "err"))
        assert err == ""
        assert out.startswith("real  real.npy") == (rank == 0) and (out == "") == (rank > 0)
        mistake = (folder / f"{world_size} mistake {rank}.err").read_text()
        assert mistake.startswith("evaluate.py: gone: there is no such file") == (rank == 0)
        assert (mistake == "") == (rank > 0)
    reports = [json.loads((folder / f"{rank}.json").read_text()) for rank in GROUPS[world_size]]
    assert {each[f"{world_size} mistake"]["code"] for each in reports} == {2}
    assert not (folder / f"{world_size} mistake.json").exists()
    assert (folder / f"{world_size} cold.html").exists() and not (folder / f"{world_size} warm.html").exists()


@pytest.mark.ddp
def test_a_mistake_in_one_process_is_one_in_all(folder: Path) -> None:
    for rank in range(4):
        told = json.loads((folder / f"{rank}.json").read_text())["together"]
        assert told == ["2 has no file", "1 has no file", f"{rank} is done", f"[{rank}]"]
