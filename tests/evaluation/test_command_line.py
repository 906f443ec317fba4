import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluation.command_line import main, warning_line
from evaluation.results import Results
from metrics.protocols import NETWORKS, PUBLISHED
from metrics.score_protocols import SCORES
from tests.evaluation.networks import Quarters, array

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "quarters", Quarters)
    monkeypatch.setattr(Quarters, "seen", 0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls evaluate.py in a folder with arrays; (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    array(tmp_path / "real.npy", 8, seed=1)
    array(tmp_path / "fake.npy", 8, seed=2, shift=9)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return run


def measure(run: Run, metrics: str, *more: str, fake: str = "fake.npy") -> tuple[int, str, str]:
    return run("--real", "real.npy", "--fake", fake, "--metrics", metrics, *more)


def test_table_cards_and_page(run: Run, tmp_path: Path) -> None:
    code, out, err = measure(run, "fvd8_8f/quarters,psnr_8f,prdc8_8f/quarters", "--output", "new/result.json")
    assert (code, err) == (0, "")  # no bars where nobody looks
    keys = ["fvd8_8f/quarters", "psnr_8f"]
    keys += [f"{name}8_8f/quarters" for name in ("precision", "recall", "density", "coverage")]
    assert [card.key for card in Results.read(Path("new/result.json")).cards] == keys
    assert re.findall(r"^\S+(?=  +\d)", out, re.MULTILINE) == keys
    assert out.startswith("real  real.npy: 8 videos") and "fake  fake.npy: 8 videos" in out
    assert out.endswith("cards in new/result.json\npage in new/result.html\n")
    assert "<html" in Path("new/result.html").read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cache", "fake.npy", "new", "real.npy"]
    assert sorted(each.name for each in Path("new").iterdir()) == ["result.html", "result.json", "result_files"]


def test_bars_show_the_time_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    code, out, err = measure(run, "fvd8_8f/quarters,psnr_8f", "--no_page", "--batch_size", "2")
    assert code == 0
    for title in ("real clips, quarters", "fake clips, quarters", "distances, quarters", "psnr_8f"):
        assert re.search(rf"{title}: .*\[\d\d:\d\d<", err), title
    assert "clips, quarters" not in out


def test_one_that_fails_loses_no_other(run: Run) -> None:
    np.save("flat.npy", np.full((8, 8, 16, 16, 3), 100, np.uint8))
    niqe = "niqe_scikit_video_enlarged_8f"
    code, out, err = measure(run, f"{niqe},psnr_8f", "--output", "result.json", fake="flat.npy")
    assert (code, err) == (1, "")
    results = Results.read(Path("result.json"))
    assert [card.key for card in results.cards] == ["psnr_8f"] and list(results.failed) == [niqe]
    assert f"{niqe}: failed: {results.failed[niqe]}" in out and "one colour" in results.failed[niqe]
    assert f"{niqe}: failed: " in Path("result.html").read_text()


GOOD = ["--real", "real.npy", "--fake", "fake.npy", "--metrics", "fvd8_8f/quarters"]
MISTAKES: dict[str, tuple[list[str], str]] = {
    "an unknown metric": (["--metrics", "fvd8_8f/quarters,fvd2048_16"], r"no metric 'fvd2048_16'; did you mean 'fvd20"),
    "an unknown score": (["--metrics", "pnsr_8f"], r"no metric 'pnsr_8f'; did you mean 'psnr_16f'\?"),
    "an unknown network": (["--metrics", "fvd8_8f/quarter"], "no feature network 'quarter'; did you mean 'quar"),
    "an unknown family": (["--metrics", "fad8_8f/quarters"], "nothing of clips is called 'fad'"),
    "a metric twice": (["--metrics", "psnr_8f,psnr_8f"], "give one name or more, each once"),
    "no metric": (["--metrics", ","], "give one name or more"),
    "a fake that is not there": (["--fake", "gone"], "gone: there is no such file or folder"),
    "a real that is not there": (["--real", "gone"], "gone: there is no such file or folder"),
    "too few fake clips": (["--metrics", "fvd9_8f/quarters"], "is of 9 clips, and there are 8 long enough in fake.npy"),
    "an output that is a folder": (["--output", "."], r"--output \.: is a folder; give a file"),
    "an output in a file": (["--output", "fake.npy/x.json"], "fake.npy/x.json: cannot be written"),
    "an output like the page": (["--output", "x.html"], "is where the page goes"),
    "a wrong weight file": (["--weight_file", "quarters"], "--weight_file quarters: give NETWORK=PATH"),
    "a weight file for nothing": (["--weight_file", "i3d=x"], "measured uses quarters"),
    "no GPU": (["--device", "cuda"], "--device cuda: there is no GPU here that torch can use"),
    "a device without numbers": (["--device", "meta"], "--device meta: torch cannot compute there; give cpu"),
    "no device": (["--device", "toaster"], "--device toaster: is no device; give cpu, cuda"),
    "batch size 0": (["--batch_size", "0"], "argument --batch_size: '0' is no whole number of at least 1"),
    "workers -1": (["--num_workers", "-1"], "argument --num_workers: '-1' is no whole number of at least 0"),
    "seed -1": (["--seed", "-1"], "argument --seed: '-1' is no whole number of at least 0"),
    "size x": (["--size", "x"], "argument --size: 'x' is no whole number of at least 1"),
    "stride 0": (["--frame_stride", "0"], "argument --frame_stride: '0' is no"),
    "an unknown option": (["--bacth_size", "3"], "unrecognized arguments: --bacth_size 3; see evaluate.py --help"),
    "a list of nothing": (["--real_list", "gone.txt"], "gone.txt"),
    "options of runs": (["--truncation", "0.5"], "--truncation: is for a run; --fake fake.npy is no run folder"),
    "scores of Ma": (["--ma_scores", "x.csv"], "no perceptual index is measured"),
    "the perceptual index": (["--metrics", "perceptual_index_8f"], "MATLAB alone"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_writes_nothing(run: Run, tmp_path: Path, mistake: str) -> None:
    arguments, expected = MISTAKES[mistake]
    if mistake == "no GPU" and os.path.exists("/dev/nvidia0"):  # noqa: PTH110
        pytest.skip("there is one")
    code, out, err = run(*GOOD, *arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"evaluate\.py: .*{expected}.*\n", err), err
    assert sorted({each.name for each in tmp_path.iterdir()} - {"cache"}) == ["fake.npy", "real.npy"]
    assert Quarters.seen == 0


def test_what_is_missing_is_one_line(run: Run) -> None:
    for arguments, expected in (
        ([], "the following arguments are required: --metrics"),
        (["--metrics", "psnr_8f"], "give the fake videos, or a run, with --fake"),
        (["--fake", "fake.npy", "--metrics", "psnr_8f"], "psnr_8f compares each clip with a real one; give the real"),
        (["--fake", "fake.npy", "--metrics", "fvd8_8f/quarters"], "compares with real videos; give them with --real"),
        (["--fake", "fake.npy", "--metrics", "is8_8f/quarters", "--real_list", "x"], "give the real videos with --rea"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("evaluate.py: ") and expected in err


def test_videos_of_several_sizes(run: Run, tmp_path: Path, video_folder: Path) -> None:
    from tests.numbered_videos import write_numbered

    for number, size in enumerate((32, 48)):
        write_numbered(tmp_path / f"mixed/{number}.mp4", number, 16, size, size)
    mixed = ["--real", str(video_folder), "--fake", "mixed", "--metrics", "fvd2_8f/quarters", "--no_page"]
    code, _, err = run(*mixed)
    assert code == 2 and "the fake videos are of several sizes; say with --size to which to bring them" in err
    assert run(*mixed, "--size", "32")[0] == 0
    assert Results.read(Path("result.json")).cards[0].frame_size == (32, 32)


def test_a_list_of_all_metrics(run: Run) -> None:
    code, out, _ = run("--metrics", "list")
    assert code == 0
    for name, protocol in PUBLISHED.items():
        assert re.search(rf"^  {name} +{re.escape(protocol.source)}$", out, re.MULTILINE)
    for name in (*NETWORKS, *(f"{family}_16f" for family in SCORES), "fvd256_16f/NETWORK", "fid4096/NETWORK"):
        assert name in out


def test_compare(run: Run) -> None:
    measure(run, "fvd8_8f/quarters", "--output", "a.json", "--no_page")
    measure(run, "fvd8_8f/quarters", "--output", "b.json", "--no_page", "--seed", "1")
    measure(run, "psnr_8f", "--output", "c.json", "--no_page")
    code, out, _ = run("compare", "a.json", "a.json")
    assert code == 0 and re.search(r"^fvd8_8f/quarters .* \+0 +overlap$", out, re.MULTILINE)
    for other, expected in (
        ("b.json", "cannot be compared: fvd8_8f/quarters differs in seed (0 and 1)"),
        ("c.json", "a.json has fvd8_8f/quarters, c.json has psnr_8f: there is nothing to compare"),
        ("fake.npy", "fake.npy: is not a file that evaluate.py has written"),
        ("gone.json", "gone.json: there is no such file of results"),
    ):
        code, out, err = run("compare", "a.json", other)
        assert (code, out, err.count("\n")) == (2, "", 1) and expected in err
    assert run("compare", "a.json")[0] == 2


def test_weights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*arguments: object, **given: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    code, out, _ = run("weights")
    assert code == 0 and re.search(r"^i3d_torchscript +missing", out, re.MULTILINE)
    for arguments, expected in (
        (["--fetch", "alexnet"], "alexnet-owt-7be5be79.pth is missing and could not be downloaded (no network)"),
        (["--fetch", "alexnett"], "Did you mean alexnet?"),
        (["--add", "alexnet", "fake.npy"], "fake.npy has SHA-256 "),
        (["--add", "alexnet", "gone.pth"], "There is no file gone.pth to add as alexnet"),
        (["--add", "alexnet"], "argument --add: expected 2 arguments; see evaluate.py weights --help"),
    ):
        code, out, err = run("weights", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert expected in err


def test_only_the_first_of_several_processes_prints(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert run(*GOOD, "--seed", "-1") == (2, "", "")


def test_ctrl_c_keeps_what_was_measured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.scoring.ScoreMeasurement._gathered", pressed)
    code, out, err = measure(run, "psnr_8f,fvd8_8f/quarters")
    assert (code, out, err) == (130, "", "evaluate.py: stopped\n")
    results = Results.read(Path("result.json"))
    assert [card.key for card in results.cards] == ["fvd8_8f/quarters"] and list(results.failed) == ["psnr_8f"]


def test_a_full_disk_takes_no_number_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Results, "write", full)
    code, out, err = measure(run, "fvd8_8f/quarters,psnr_8f", "--no_page")
    assert (code, err) == (1, "") and re.search(r"^fvd8_8f/quarters +\d", out, re.MULTILINE)
    assert "--output: failed: result.json could not be written (No space left on device)" in out
    assert "cards in" not in out and not Path("result.json").exists()


def test_a_warning_is_one_line() -> None:
    assert (
        warning_line(UserWarning("the cache\n  is full"), UserWarning, "x.py", 3) == "evaluate.py: the cache is full\n"
    )


def test_help_is_no_mistake(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["compare", "--help"], ["weights", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    assert "evaluate.py --metrics list" in capsys.readouterr().out
