import torch

from networks.base import in_float32, pick_frames


def test_each_video_has_frames_of_its_own_picked() -> None:
    videos = torch.arange(2 * 3 * 5 * 4.0).view(2, 3, 5, 2, 2)
    picked = pick_frames(videos, torch.tensor([[4, 0], [1, 1]]))
    assert torch.equal(picked[0], videos[0, :, [4, 0]]) and torch.equal(picked[1], videos[1, :, [1, 1]])


def test_autocast_is_off_inside() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with in_float32(x):
            assert (x @ x).dtype == torch.float32
    with in_float32(x.to("meta")):
        pass
