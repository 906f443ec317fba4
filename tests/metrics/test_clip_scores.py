from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor

from metrics.clip_scores import ClipScore, ClipScores, best_of
from tests.metrics.small_network import random_clips

SHARES = {"uneven": (range(0, 11, 3), [1, 2, 4, 5, 7, 8, 10]), "one has nothing": ([], range(11))}


class Brightness(ClipScore):
    """Mean of each frame; it needs 4 pixels."""

    name = "brightness"
    needs_real = False
    higher_is_better = True
    min_size = 4

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        return fake.float().mean((1, 3, 4))


class Change(ClipScore):
    """Mean of what a change of frames has too much; it needs two frames."""

    name = "change"
    needs_real = True
    higher_is_better = False
    frames_per_score = 2

    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        assert real is not None
        return (fake.float().diff(dim=2) - real.float().diff(dim=2)).mean((1, 3, 4))


def test_one_number_per_frame_or_per_pair_of_frames() -> None:
    clips = random_clips(5)
    scores = Brightness()(clips)
    assert scores.shape == (5, 4)
    assert scores.dtype == torch.float64
    assert scores[2, 3].item() == pytest.approx(clips[2, :, 3].double().mean().item(), rel=1e-6)
    assert Change()(clips, clips).shape == (5, 3)
    assert (Brightness().num_scores(16), Change().num_scores(16)) == (16, 15)
    assert Brightness()(clips[:0]).shape == (0, 4)
    assert Brightness().settings == {}


def test_no_gradients_and_no_autocast() -> None:
    clips = random_clips(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = Brightness()(clips)
    assert not scores.requires_grad
    assert torch.equal(scores, Brightness()(clips))


def test_unusable_clips_are_refused() -> None:
    clips = random_clips(2)
    with pytest.raises(ValueError, match=r"uint8 clips \(0..255\); got torch.float32"):
        Brightness()(clips.float())
    for shape in ((1, 3, 8, 8), (1, 4, 4, 8, 8), (1, 3, 0, 8, 8)):
        with pytest.raises(ValueError, match=r"clips \(N, 3 or 1, T, H, W\); got shape"):
            Brightness()(torch.zeros(shape, dtype=torch.uint8))
    with pytest.raises(ValueError, match="at least 4x4 pixels; got 8x3"):
        Brightness()(clips[..., :3])
    with pytest.raises(ValueError, match="at least 2 frames; got 1"):
        Change()(clips[:, :, :1], clips[:, :, :1])
    with pytest.raises(ValueError, match=r"equal shape; got \(2, 3, 4, 8, 8\) and \(2, 3, 3, 8, 8\)"):
        Change()(clips, clips[:, :, :3])
    with pytest.raises(ValueError, match="give the real clips, too"):
        Change()(clips)
    with pytest.raises(ValueError, match="give no real clips"):
        Brightness()(clips, clips)


def test_a_score_that_is_not_finite_is_named() -> None:
    class Broken(Brightness):
        def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
            return torch.tensor([[0.0, 1.0], [2.0, torch.nan]])

    with pytest.raises(ValueError, match="brightness of clip 1 is not finite at frame 1"):
        Broken()(random_clips(2))


def test_rows_come_in_the_order_of_the_clips() -> None:
    expected = torch.rand(10, 4, dtype=torch.float64)
    for order in (torch.arange(10), torch.randperm(10)):
        for size in (1, 3, 10):
            gathered = ClipScores(4)
            for indices in order.split(size):
                gathered.update(expected[indices], indices)
            assert torch.equal(gathered.compute(), expected)


def test_one_score_of_one_clip_keeps_its_shape() -> None:
    gathered = ClipScores(1)
    gathered.update(torch.tensor([[7.0]]), torch.tensor([3]))
    assert gathered.compute().tolist() == [[7.0]]


def test_reset_forgets() -> None:
    gathered = ClipScores(2)
    gathered.update(torch.rand(3, 2), torch.arange(3))
    gathered.reset()
    gathered.update(torch.ones(1, 2), torch.arange(1))
    assert gathered.compute().tolist() == [[1.0, 1.0]]


def test_mistakes_of_rows() -> None:
    gathered = ClipScores(2)
    with pytest.raises(ValueError, match=r"floating point of shape \(N, 2\); got torch.float32 of shape \(1, 3\)"):
        gathered.update(torch.rand(1, 3), torch.arange(1))
    with pytest.raises(ValueError, match="2 rows need as many whole numbers"):
        gathered.update(torch.rand(2, 2), torch.arange(3))
    with pytest.raises(ValueError, match="not finite"):
        gathered.update(torch.tensor([[1.0, torch.nan]]), torch.arange(1))
    with pytest.raises(ValueError, match="from 0 on; got -1"):
        gathered.update(torch.rand(1, 2), torch.tensor([-1]))
    gathered.update(torch.rand(0, 2), torch.arange(0))
    with pytest.raises(ValueError, match="no scores"):
        gathered.compute()
    gathered.update(torch.rand(2, 2), torch.tensor([4, 5]))
    gathered.update(torch.rand(1, 2), torch.tensor([4]))
    with pytest.raises(ValueError, match="Clip 4 was measured twice"):
        gathered.compute()
    with pytest.raises(ValueError, match="num_scores must be at least 1"):
        ClipScores(0)


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    scores = torch.arange(22.0, dtype=torch.float64).view(11, 2)
    results = {}
    for name, shares in {
        "uneven": (range(0, 11, 3), [1, 2, 4, 5, 7, 8, 10]),
        "one has nothing": ([], range(11)),
    }.items():
        gathered = ClipScores(2)
        for index in shares[rank]:
            gathered.update(scores[index : index + 1], torch.tensor([index]))
        results[name] = gathered.compute()
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.ddp
def test_two_processes_equal_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    for rank in (0, 1):
        for name, scores in torch.load(tmp_path / f"{rank}.pt", weights_only=True).items():
            assert scores.flatten().tolist() == list(range(22)), name


def test_best_sample_by_its_mean_over_time() -> None:
    scores = torch.tensor([[[1.0, 5.0], [4.0, 3.0]], [[0.0, 9.0], [1.0, 2.0]]])  # 2 clips, 2 samples, 2 frames
    assert best_of(scores, higher_is_better=True).tolist() == [[4.0, 3.0], [0.0, 9.0]]
    assert best_of(scores, higher_is_better=False).tolist() == [[1.0, 5.0], [1.0, 2.0]]
    assert torch.equal(best_of(scores[:, :1], higher_is_better=True), scores[:, 0])


def test_more_samples_are_never_worse() -> None:
    scores = torch.rand(6, 20, 5)
    values = [best_of(scores[:, :k], higher_is_better=True).mean().item() for k in range(1, 21)]
    assert values == sorted(values)


def test_mistakes_of_best_of() -> None:
    with pytest.raises(ValueError, match=r"scores \(N, K, T'\); got shape \(2, 3\)"):
        best_of(torch.rand(2, 3), higher_is_better=True)
    with pytest.raises(ValueError, match="got shape"):
        best_of(torch.rand(2, 0, 3), higher_is_better=True)
    with pytest.raises(ValueError, match="got NaN"):
        best_of(torch.full((1, 1, 1), torch.nan), higher_is_better=True)
