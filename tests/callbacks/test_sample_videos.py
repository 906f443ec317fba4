from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from callbacks.sample_videos import SampleVideos, contact_strip, enlarged
from tests.callbacks.fakes import TinyData, TinyModule, make_trainer
from video_io.pixels import float_to_uint8
from video_io.reading import probe, read_clip


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "samples").iterdir())


def test_writes_a_grid_every_n_steps_at_the_end_and_of_real_clips(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, SampleVideos(2, num_videos=5), max_steps=3)
    trainer.fit(TinyModule(), datamodule=TinyData(fps=6.0))
    files = [f"{stem}.{kind}" for stem in ("real", "step-00000002", "step-00000003") for kind in ("mp4", "png")]
    assert names(tmp_path) == files
    for name in ("real.mp4", "step-00000003.mp4"):
        video = probe(tmp_path / "samples" / name)
        assert (video.num_frames, video.fps) == (4, 6.0)
        assert (video.width, video.height) == (3 * 64 + 2 * 2, 2 * 64 + 2)  # five of 8 pixels, enlarged to 64, 3 a row


def test_a_tile_shows_what_was_generated(tmp_path: Path) -> None:
    module = TinyModule()
    make_trainer(tmp_path, SampleVideos(1, num_videos=3, columns=3), max_steps=1).fit(module, datamodule=TinyData())
    grid = read_clip(tmp_path / "samples" / "step-00000001.mp4", range(4), size=64)  # the middle tile is video 1
    expected = module.generate(1, latents=module.sample_latents(range(1, 2), 0))[0] * 127.5 + 128
    torch.testing.assert_close(grid.float().mean((2, 3)), expected.mean((2, 3)).clamp(0, 255), atol=6, rtol=0)


def test_latents_and_labels_stay_the_same_and_come_in_passes_that_fit(tmp_path: Path) -> None:
    module = TinyModule()
    callback = SampleVideos(1, num_videos=5, videos_per_pass=2)
    make_trainer(tmp_path, callback, max_steps=2).fit(module, datamodule=TinyData())
    assert [number for number, _ in module.generated] == [2, 2, 1] * 2
    labels = torch.cat([labels for _, labels in module.generated[:3] if labels is not None])
    assert labels.tolist() == [0, 1, 0, 1, 0]  # of the real clips beside them


def test_training_is_not_changed(tmp_path: Path) -> None:
    def train(*callbacks: SampleVideos) -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(5)
        module = TinyModule()
        make_trainer(tmp_path, *callbacks, max_steps=3).fit(module, datamodule=TinyData())
        assert module.dropout.training
        return module.brightness.detach(), torch.rand(4)

    for with_samples, without in zip(train(SampleVideos(1)), train(), strict=True):
        assert torch.equal(with_samples, without)


def test_tensorboard_gets_the_pictures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="", version="")
    make_trainer(tmp_path, SampleVideos(2), max_steps=2, logger=logger).fit(TinyModule(), datamodule=TinyData())
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["images"] == ["samples/real", "samples/generated"]
    assert [event.step for event in events.Images("samples/generated")] == [2]


def test_works_beside_the_csv_logger(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    make_trainer(tmp_path, SampleVideos(2), max_steps=2, logger=logger).fit(TinyModule(), datamodule=TinyData())
    assert "step-00000002.mp4" in names(tmp_path)


def test_off_writes_nothing_and_asks_for_nothing(tmp_path: Path) -> None:
    make_trainer(tmp_path, SampleVideos(None), max_steps=1).fit(TinyModule(), TinyData().train_dataloader())
    assert not (tmp_path / "samples").exists()


def test_a_module_that_makes_no_videos_is_refused_before_the_first_step(tmp_path: Path) -> None:
    class NoVideos(TinyModule):
        def __dir__(self) -> list[str]:
            return [name for name in super().__dir__() if name != "generate"]

    with pytest.raises(Exception, match=r"SampleVideos needs generate of NoVideos: add them to the LightningModule"):
        make_trainer(tmp_path, SampleVideos(1)).fit(NoVideos(), datamodule=TinyData())


def test_enlarging_keeps_pixels_square_and_large_videos_as_they_are() -> None:
    video = torch.arange(2 * 2, dtype=torch.uint8).view(1, 1, 1, 2, 2)
    assert enlarged(video).shape == (1, 1, 1, 64, 64)
    assert enlarged(video)[0, 0, 0, ::32, ::32].tolist() == [[0, 1], [2, 3]]
    assert torch.equal(enlarged(video), video.repeat_interleave(32, 3).repeat_interleave(32, 4))
    assert enlarged(torch.zeros(1, 1, 1, 64, 128)).shape == (1, 1, 1, 64, 128)


def test_a_strip_shows_the_whole_time_from_left_to_right() -> None:
    times = torch.arange(15, dtype=torch.uint8).view(1, 1, 15, 1, 1).expand(2, 3, 15, 2, 2)
    strip = contact_strip(times)
    assert strip.shape == (3, 2 * 2, 8 * 2)
    assert strip[0, 0, ::2].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert contact_strip(torch.zeros(9, 3, 5, 2, 2)).shape == (3, 6 * 2, 5 * 2)


def test_the_picture_is_the_strip(tmp_path: Path) -> None:
    make_trainer(tmp_path, SampleVideos(1, num_videos=2), max_steps=1).fit(TinyModule(), datamodule=TinyData())
    picture = np.asarray(Image.open(tmp_path / "samples" / "step-00000001.png"))
    assert picture.shape == (2 * 64, 4 * 64, 3)
    assert picture[0, 0].sum() < picture[0, -1].sum()  # brighter with time


@pytest.mark.parametrize("argument", ["num_videos", "columns", "videos_per_pass"])
def test_refuses_less_than_one(argument: str) -> None:
    with pytest.raises(ValueError, match=f"SampleVideos.{argument} is -1; it must be at least 1"):
        SampleVideos(1, **{argument: -1})


def test_a_grey_video_is_shown_too(tmp_path: Path) -> None:
    class Grey(TinyModule):
        def generate(self, *args, **more):  # type: ignore[no-untyped-def]
            return super().generate(*args, **more)[:, :1]

    class GreyData(TinyData):
        def evaluation_dataset(self, num_clips: int, split: str):  # type: ignore[no-untyped-def]
            clips = super().evaluation_dataset(num_clips, split)
            clips.shape = (1, *clips.shape[1:])
            return clips

    make_trainer(tmp_path, SampleVideos(1), max_steps=1).fit(Grey(), datamodule=GreyData())
    assert "step-00000001.mp4" in names(tmp_path)


def test_a_generator_that_makes_videos_from_real_clips_gets_those_of_the_data(tmp_path: Path) -> None:
    module = TinyModule()
    module.conditions_on_clips = True
    data = TinyData()
    make_trainer(tmp_path, SampleVideos(1, num_videos=5, videos_per_pass=2), max_steps=1).fit(module, datamodule=data)
    clips = torch.cat([clips for clips in module.conditions[:3] if clips is not None])
    real = data.evaluation_dataset(5, "train")
    assert torch.equal(float_to_uint8(clips), torch.stack([real[index]["clip"] for index in range(5)]))
