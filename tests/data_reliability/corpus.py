"""Videos of many containers and codecs, and what is done to them."""

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import NamedTuple

import av
import numpy as np

NUM_FRAMES = 30
_VARIANTS = 3  # of each kind of video; the others are copies of them


class Kind(NamedTuple):
    """How a video is encoded; `turned` is in degrees, and `irregular` ones have frames at no fixed rate."""

    suffix: str
    codec: str
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (64, 64)  # width, height
    options: tuple[tuple[str, str], ...] = ()
    turned: int = 0
    irregular: bool = False
    num_frames: int = NUM_FRAMES


KINDS = {
    "h264": Kind(".mp4", "libx264"),
    "h264 in mkv": Kind(".mkv", "libx264", options=(("g", "10"),)),
    "h264 in mov": Kind(".mov", "libx264", size=(96, 64)),
    "open groups": Kind(".mp4", "libx264", options=(("x264-params", "open-gop=1:keyint=10"),)),
    "hevc": Kind(".mp4", "libx265", options=(("x265-params", "log-level=none:keyint=10:pools=1"),)),
    "vp8": Kind(".webm", "libvpx", options=(("deadline", "realtime"), ("cpu-used", "8"))),
    "vp9": Kind(".webm", "libvpx-vp9", options=(("deadline", "realtime"), ("cpu-used", "8"))),
    "mpeg4": Kind(".avi", "mpeg4"),
    "mjpeg": Kind(".avi", "mjpeg", "yuvj420p"),
    "mpeg2": Kind(".mpg", "mpeg2video"),
    "wmv": Kind(".wmv", "wmv2"),
    "gif": Kind(".gif", "gif", "rgb8"),
    "odd sizes": Kind(".mp4", "libx264", "yuv444p", size=(67, 51)),
    "10 bits": Kind(".mp4", "libx264", "yuv420p10le"),
    "turned": Kind(".mp4", "libx264", size=(96, 64), turned=90),
    "irregular times": Kind(".mp4", "libx264", irregular=True),
}


def write_corpus(folder: Path, count: int, seed: int) -> list[Path]:
    """So many good videos of all kinds in turn."""
    templates = [
        write(folder / ".templates" / f"{name}-{variant}{kind.suffix}", kind, Random(f"{seed} {name} {variant}"))
        for variant in range(_VARIANTS)
        for name, kind in KINDS.items()
    ]
    paths = []
    for number in range(count):
        template = templates[number % len(templates)]
        paths.append(folder / f"{number:05d}{template.suffix}")
        shutil.copyfile(template, paths[-1])
    return paths


def write(path: Path, kind: Kind, random: Random) -> Path:
    """One video, of noise that moves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = kind.size
    noise = np.random.default_rng(random.getrandbits(32)).integers(
        0, 255, (height // 4 + 1, width // 4 + 1, 3), np.uint8
    )
    picture = noise.repeat(4, 0).repeat(4, 1)[:height, :width]
    with av.open(str(path), "w") as file:
        stream = file.add_stream(kind.codec, rate=25, options=dict(kind.options))
        stream.width, stream.height, stream.pix_fmt = width, height, kind.pixel_format
        stream.codec_context.thread_count = 1
        if kind.irregular:
            stream.codec_context.time_base = Fraction(1, 1000)
        if kind.turned:
            stream.set_display_rotation(kind.turned)
        time = 0
        for number in range(kind.num_frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * number, 1), format="rgb24")
            if kind.irregular:
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                time += random.randint(10, 90)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


Mutate = Callable[[bytearray, Random], bytes | None]  # content of a file -> other content, or None: no file


def _flipped(num_bits: int) -> Mutate:
    def mutate(content: bytearray, random: Random) -> bytes:
        for _ in range(num_bits):
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        return bytes(content)

    return mutate


def _zeroed(content: bytearray, random: Random) -> bytes:
    start = random.randrange(len(content) * 3 // 4)
    length = len(content) // 4
    content[start : start + length] = bytes(length)
    return bytes(content[: max(len(content), 1)])


def _truncated(content: bytearray, random: Random) -> bytes:
    return bytes(content[: random.randrange(1, len(content))])


def _damaged_header(content: bytearray, random: Random) -> bytes:
    for place in range(min(len(content), random.randrange(16, 512))):
        content[place] = random.randrange(256)
    return bytes(content)


def _damaged_end(content: bytearray, random: Random) -> bytes:
    """Where some containers keep their index."""
    for place in range(max(0, len(content) - random.randrange(16, 1024)), len(content)):
        content[place] ^= random.randrange(256)
    return bytes(content)


def mutations(folder: Path, seed: int) -> dict[str, Mutate]:
    """All that is done to a video, by name; what takes its place is written into `folder`."""

    def instead(path: Path) -> Mutate:
        return lambda content, random: path.read_bytes()

    replaced = {
        name: instead(write(folder / f"{name}{KINDS[name].suffix}", KINDS[name], Random(f"instead {seed} {name}")))
        for name in ("odd sizes", "10 bits", "turned", "irregular times")
    }
    single = KINDS["h264"]._replace(num_frames=1)
    return {
        "20 bits flipped": _flipped(20),
        "400 bits flipped": _flipped(400),
        "a quarter zeroed": _zeroed,
        "truncated": _truncated,
        "damaged header": _damaged_header,
        "damaged end": _damaged_end,
        "wrong extension": instead(write(folder / "other.wmv", KINDS["wmv"], Random(seed))),
        "empty": lambda content, random: b"",
        "text": lambda content, random: b"This is no video.\n" * 100,
        "audio only": instead(_write_sound(folder / "sound.mp4")),
        "one frame": instead(write(folder / "single.mp4", single, Random(seed))),
        "missing": lambda content, random: None,
        **replaced,
    }


def mutate(path: Path, change: Mutate, random: Random) -> None:
    """Change a file; it is another one afterwards, or none."""
    before = path.read_bytes()
    after = change(bytearray(before), random)
    path.unlink()
    if after is not None:
        path.write_bytes(after if after != before else after + b"\0")


def _write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path
