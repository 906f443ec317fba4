import numpy as np
import pytest
import torch

from tests.numbered_videos import board, read_clip_numbers
from video_io.packets import KEY_FRAME_EVERY, PacketEncoder, decode_packets


def packets_of(frames):
    encoder = PacketEncoder(*frames[0].shape[:2])
    return [packet for frame in frames for packet in encoder.encode(frame)] + encoder.finish()


@pytest.fixture(scope="module")
def frames():
    return [board(3, frame, 64, 64) for frame in range(40)]


@pytest.fixture(scope="module")
def packets(frames):
    return packets_of(frames)


def test_packet_k_is_frame_k(packets):
    assert len(packets) == 40
    pictures = decode_packets(packets, 64, 64)
    assert read_clip_numbers(torch.from_numpy(pictures).permute(3, 0, 1, 2)).frames == list(range(40))


@pytest.mark.parametrize("key_frame", [0, KEY_FRAME_EVERY, 2 * KEY_FRAME_EVERY])
def test_decoding_begins_at_any_key_frame(packets, key_frame):
    some = decode_packets(packets[key_frame : key_frame + 5], 64, 64)
    assert np.array_equal(some, decode_packets(packets, 64, 64)[key_frame : key_frame + 5])


def test_pixels_and_odd_sizes_survive():
    y, x = np.mgrid[:33, :47]
    frames = [np.stack([4 * y + t, 4 * x + t, 0 * x + 100], -1).astype(np.uint8) for t in range(5)]
    pictures = decode_packets(packets_of(frames), 33, 47)
    assert pictures.shape == (5, 33, 47, 3)
    assert np.abs(pictures.astype(int) - np.stack(frames)).mean() < 3


def test_the_same_frames_make_the_same_bytes(frames, packets):
    assert all(packets_of(frames) == packets for _ in range(5))


def test_damaged_packets_are_refused(packets):
    with pytest.raises(ValueError, match="damaged packets"):
        decode_packets([packets[0], b"\0" * 50, packets[2]], 64, 64)
    with pytest.raises(ValueError, match="damaged packets"):
        decode_packets(packets[:3], 128, 128)
