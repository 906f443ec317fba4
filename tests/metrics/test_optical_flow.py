import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.optical_flow import forward_flows, grey, is_followed, moved_back, optical_flows
from tests.metrics.moving_texture import moving_texture


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("velocity", [(1.0, 0.0), (-2.0, 1.5)])
def test_flow_of_a_moving_texture(size: int, velocity: tuple[float, float]) -> None:
    forward, backward = optical_flows(moving_texture(velocity, num_frames=3, size=size)[None])
    assert forward.shape == backward.shape == (1, 2, 2, size, size)
    assert forward.dtype == torch.float32
    inner = slice(size // 8, -size // 8)
    for flow, sign in ((forward, 1), (backward, -1)):
        expected = sign * torch.tensor(velocity)[:, None, None]
        assert (flow[..., inner, inner] - expected).abs().mean() < 0.1


def test_forward_flows_are_the_first_ones() -> None:
    clips = torch.stack([moving_texture((1, 2), 3, 32), moving_texture((0, -1), 3, 32)])
    assert torch.equal(forward_flows(clips), optical_flows(clips)[0])
    assert torch.equal(forward_flows(clips[1:]), forward_flows(clips)[1:])


@pytest.mark.parametrize("size", [12, 32, 64, 100])
def test_equal_frames_do_not_move(size: int) -> None:
    frame = moving_texture((0, 0), 1, size)
    flat = torch.full((1, 3, size, size), 77, dtype=torch.uint8)
    for clips in (frame.expand(1, 3, size, size), flat):
        assert forward_flows(clips).abs().max() == 0


def test_moved_back_is_the_shift() -> None:
    image = torch.arange(48.0).view(1, 1, 6, 8)
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0], flow[:, 1] = 2, 1  # right and down
    torch.testing.assert_close(moved_back(image, flow)[..., :-1, :-2], image[..., 1:, 2:])
    halfway = torch.cat([torch.full((1, 1, 6, 8), 0.5), torch.zeros(1, 1, 6, 8)], dim=1)
    torch.testing.assert_close(
        moved_back(image, halfway)[..., :-1], (image[..., :-1] + image[..., 1:]) / 2, rtol=1e-5, atol=1e-4
    )


def constant_flow(x: float, y: float = 0.0) -> Tensor:
    return torch.tensor([x, y])[None, :, None, None].expand(1, 2, 6, 8).clone()


def test_what_leaves_the_frame_is_not_followed() -> None:
    expected = torch.ones(1, 6, 8, dtype=torch.bool)
    expected[..., -2:] = False
    assert torch.equal(is_followed(constant_flow(2), constant_flow(-2)), expected)
    assert is_followed(constant_flow(0), constant_flow(0)).all()


def test_flows_that_do_not_cancel_are_occlusions() -> None:
    assert not is_followed(constant_flow(0), constant_flow(1)).any()  # 1 > 0.01 + 0.5
    assert is_followed(constant_flow(0), constant_flow(0.7)).all()  # 0.49 < 0.0049 + 0.5


def test_edges_of_motions_are_left_out() -> None:
    flow = constant_flow(0)
    flow[..., 4:] = 0.2
    followed = is_followed(flow, -flow)
    assert not followed[..., 3].any()
    assert followed[..., :3].all()
    assert followed[..., :-1, 4:7].all()  # the last row and column leave the frame


def test_grey_is_luma() -> None:
    clips = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1, 1)
    assert grey(clips).item() == 76
    assert torch.equal(grey(torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 16, 16)).flatten(), torch.arange(256))


def test_opencv_gets_its_threads_back() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        forward_flows(torch.from_numpy(np.zeros((1, 2, 16, 16), np.uint8)))
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
