"""H.264 without a container: one packet a frame, so that frame k is packet k and nothing ever has to seek."""

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

KEY_FRAME_EVERY = 16  # frames: a key frame is number 0, 16, 32, ... and everything after it needs nothing before it

# No B-frames, so packets stand in the order of the frames; no lookahead, which x264's assembly does not reproduce.
_X264 = f"keyint={KEY_FRAME_EVERY}:min-keyint={KEY_FRAME_EVERY}:scenecut=0:bframes=0:open-gop=0:repeat-headers=1"
_BT601 = 6
_LIMITED_RANGE = 1


class PacketEncoder:
    """Frames in, packets out, in the same order; yuv420p, odd sizes grown by one (the last row or column repeated).

    Args:
        height, width: of the frames, in pixels.
        crf: x264's constant rate factor, 0 (best) to 51 (smallest).
    """

    def __init__(self, height: int, width: int, crf: int = 18) -> None:
        self._pad = ((0, height % 2), (0, width % 2), (0, 0))
        self._encoder = av.CodecContext.create("libx264", "w")
        self._encoder.height, self._encoder.width = height + height % 2, width + width % 2
        self._encoder.pix_fmt = "yuv420p"
        self._encoder.time_base = Fraction(1, 25)  # nobody reads it: what is shown when stands elsewhere
        self._encoder.thread_count = 1  # the bytes depend on it
        self._encoder.colorspace, self._encoder.color_range = _BT601, _LIMITED_RANGE
        self._encoder.options = {"crf": str(crf), "tune": "zerolatency", "x264-params": _X264}
        self._num_frames = 0

    def encode(self, frame: np.ndarray) -> list[bytes]:
        """The packets that are ready after this frame (H, W, 3) uint8."""
        picture = av.VideoFrame.from_ndarray(np.pad(frame, self._pad, mode="edge"), format="rgb24")
        picture.pts = self._num_frames
        picture.time_base = self._encoder.time_base
        self._num_frames += 1
        return [bytes(packet) for packet in self._encoder.encode(picture)]

    def finish(self) -> list[bytes]:
        """The packets that are left."""
        return [bytes(packet) for packet in self._encoder.encode(None)]


def decode_packets(packets: Sequence[bytes], height: int, width: int) -> np.ndarray:
    """The frames (T, height, width, 3) uint8 of packets that stand one after the other, the first of a key frame.

    Raises: ValueError if there are not as many frames as packets, or of another size: then the packets are damaged.
    """
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    try:
        frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))] + decoder.decode(None)
    except av.error.FFmpegError as error:
        raise ValueError(f"damaged packets: {error}") from error
    pictures = [frame.to_ndarray(format="rgb24")[:height, :width] for frame in frames]
    if len(pictures) != len(packets) or any(picture.shape != (height, width, 3) for picture in pictures):
        raise ValueError(f"damaged packets: {len(packets)} of them make {len(pictures)} frames of {height}x{width}")
    return np.stack(pictures)
