import pytest
import torch

from video_io.grid import video_grid


def test_every_video_lies_in_its_tile():
    videos = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1, 1).expand(5, 3, 4, 6, 8)
    grid = video_grid(videos, num_columns=3, gap=2)
    assert grid.shape == (3, 4, 6 + 2 + 6, 8 + 2 + 8 + 2 + 8)
    for index, (top, left) in enumerate([(0, 0), (0, 10), (0, 20), (8, 0), (8, 10)]):
        assert (grid[:, :, top : top + 6, left : left + 8] == index).all()
    covered = 5 * 6 * 8
    assert (grid == 255).sum() == grid.numel() - 3 * 4 * covered


def test_frames_stay_in_order():
    videos = torch.arange(6, dtype=torch.uint8).view(1, 1, 6, 1, 1).expand(4, 3, 6, 2, 2)
    assert video_grid(videos, 2, gap=1)[0, :, 3, 4].tolist() == [0, 1, 2, 3, 4, 5]


def test_one_video_is_its_own_grid():
    video = torch.randint(0, 256, (1, 3, 2, 5, 7), dtype=torch.uint8)
    assert torch.equal(video_grid(video, 1), video[0])


@pytest.mark.parametrize(
    "videos", [torch.zeros(1, 3, 2, 4, 4), torch.zeros(3, 2, 4, 4).byte(), torch.zeros(0, 3, 2, 4, 4).byte()]
)
def test_other_tensors_are_refused(videos):
    with pytest.raises(ValueError, match=r"videos must be uint8 \(N, C, T, H, W\)"):
        video_grid(videos, 1)


def test_other_layouts_are_refused():
    with pytest.raises(ValueError, match="num_columns must be at least 1"):
        video_grid(torch.zeros(1, 3, 2, 4, 4).byte(), 0)
