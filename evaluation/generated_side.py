"""Clips that the generator of a run makes, as a side of an evaluation."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from evaluation.generated_videos import GeneratedVideos
from evaluation.sides import NumberedClips, Partners, Side
from evaluation.trained_run import TrainedRun
from evaluation.video_source import Size
from metrics.clip_rules import ClipRule


class Generated(Side):
    """Clips that a run's generator makes, from their first frame.

    Args:
        run: see `open_run`.
        fps: of its videos, where it is known.
        batch_size: videos made at a time.
        class_names: of the real videos' classes.  Where there are as many as the generator has, in the order of their
            names as in training, its videos get the classes of real ones; else its classes take turns.  `sampling`
            says which.
    """

    def __init__(
        self, run: TrainedRun, fps: float | None = None, batch_size: int = 16, class_names: Sequence[str] = ()
    ) -> None:
        self.run = run
        self.batch_size = batch_size
        generator = run.module.generator
        self.description = f"{run.folder}, {run.module.sampling['weights']} of step {run.step}"
        self.fps = fps
        self.frame_stride = 1
        self.frame_size = (generator.size, generator.size)
        self.sampling = dict(run.module.sampling)
        self.has_real_classes = generator.num_classes > 0 and len(class_names) == generator.num_classes
        if generator.num_classes:
            self.sampling["classes"] = "of real videos" if self.has_real_classes else "in turns"
        self.class_names = class_names
        self.longest = generator.num_frames
        self.step = run.step
        self.belongs_to_real = generator.conditions_on_clips

    @property
    def fingerprint(self) -> str:
        """Of the checkpoint."""
        return self.run.checkpoint_sha256

    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: Partners | None = None,
    ) -> "GeneratedClips":
        """See `Side`; a rule has nothing to choose from, for any number of videos can be made."""
        if size not in (None, self.frame_size):
            height, width = self.frame_size or (0, 0)
            raise ValueError(
                f"{self.run.folder}: makes frames of {width}x{height}, and {size[1]}x{size[0]} are wanted; "
                "write its videos to files and give those"
            )
        if num_clips is None:
            raise ValueError(f"{self.run.folder}: makes any number of videos; say how many with --num_videos")
        generator, labels, conditions = self.run.module.generator, None, None
        if generator.conditions_on_clips and partners is None:
            raise ValueError(f"{self.run.folder}: makes videos from real ones; give them with --real")
        if partners is not None and (self.has_real_classes or generator.conditions_on_clips):
            beside = partners(generator.num_frames)
            if self.has_real_classes and beside.labels is not None:
                labels = [beside.labels[index % len(beside)] for index in range(num_clips)]
            if generator.conditions_on_clips:

                def conditions(index: int) -> Tensor:
                    return beside.clip(index % len(beside))

        videos = GeneratedVideos(
            self.run, num_clips, num_frames, frame_stride, seed, labels, conditions, self.batch_size
        )
        return GeneratedClips(videos, labels)


class GeneratedClips(NumberedClips):
    """Videos of a generator; `labels` are those that the real videos' class names fit."""

    def __init__(self, videos: GeneratedVideos, labels: Sequence[int] | None = None) -> None:
        self.videos = videos
        self.batch_size = videos.batch_size
        self.labels = labels

    def __len__(self) -> int:
        return len(self.videos)

    def name(self, index: int) -> str:
        """Its number."""
        return f"video {index}"

    def clip(self, index: int) -> Tensor:
        """One clip."""
        return self.videos.clip(index)

    def read(self, batches: Sequence[range]) -> Iterator[Tensor]:
        """Made now."""
        yield from map(self.videos.make, batches)
