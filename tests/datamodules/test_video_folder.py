import shutil
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from jsonargparse import ArgumentParser
from pytorch_lightning import LightningDataModule, LightningModule, Trainer

from datamodules.video_folder import VideoFolder
from tests.numbered_videos import Written, read_clip_numbers, write_numbered
from video_io import reading

SPAN = {"num_frames": 6, "frame_stride": 3}  # 16 frames of the video


def folder(root: Path, **arguments: object) -> VideoFolder:
    return VideoFolder(**{"root": str(root), "size": 64, "batch_size": 4, "num_workers": 0, **SPAN, **arguments})


def on_process(data: VideoFolder, global_rank: int = 0, world_size: int = 1, global_step: int = 0) -> VideoFolder:
    data.trainer = SimpleNamespace(global_rank=global_rank, world_size=world_size, global_step=global_step)
    return data


def read(data: VideoFolder, num_batches: int) -> list[tuple[Written, int]]:
    """What each clip of the first batches says of itself, and its label."""
    clips = []
    for batch in islice(data.train_dataloader(), num_batches):
        assert batch["clip"].dtype == torch.uint8 and batch["label"].dtype == torch.int64
        assert batch["clip"].shape[1:] == data.video_shape
        clips += [
            (read_clip_numbers(clip), label) for clip, label in zip(batch["clip"], batch["label"].tolist(), strict=True)
        ]
    return clips


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_every_clip_is_the_promised_one(numbered_folder, num_workers):
    data = folder(numbered_folder, num_workers=num_workers, validation_fraction=0, seed=3)
    clips = read(data, 9)
    for written, label in clips:
        start = written.frames[0]
        assert written.frames == list(range(start, start + 18, 3))
        assert label == written.video // 3
    for epoch in range(4):
        assert sorted(written.video for written, _ in clips[9 * epoch : 9 * epoch + 9]) == list(range(9))
    assert {written.flip for written, _ in clips} == {True, False}
    assert clips == read(folder(numbered_folder, validation_fraction=0, seed=3), 9)


def test_another_seed_gives_other_clips_of_the_same_split(numbered_folder):
    one, other = folder(numbered_folder, seed=1), folder(numbered_folder, seed=2)
    assert read(one, 4) != read(other, 4)
    assert one.videos("validation") == other.videos("validation")


def test_without_flip_nothing_is_mirrored(numbered_folder):
    assert not any(written.flip for written, _ in read(folder(numbered_folder, flip=False), 8))


def test_two_processes_take_what_one_takes(numbered_folder):
    alone = read(on_process(folder(numbered_folder)), 4)
    shares = [read(on_process(folder(numbered_folder), rank, 2), 4) for rank in range(2)]
    joined = [clip for step in range(4) for share in shares for clip in share[2 * step : 2 * step + 2]]
    assert joined == alone


@pytest.mark.parametrize("sampling", ["by_video", "by_clip", "by_class"])
def test_the_clips_of_every_rule_whatever_workers_and_processes(numbered_folder, sampling):
    rule = {"sampling": sampling, "frame_stride": 1, "max_frame_stride": 4, "group_pattern": r"person(\d)"}
    alone = read(on_process(folder(numbered_folder, **rule)), 4)
    assert len({written.frames[1] - written.frames[0] for written, _ in alone}) > 1
    assert alone == read(on_process(folder(numbered_folder, num_workers=2, **rule)), 4)
    shares = [read(on_process(folder(numbered_folder, **rule), rank, 4), 4) for rank in range(4)]
    assert [clip for step in range(4) for share in shares for clip in share[step : step + 1]] == alone
    assert read(on_process(folder(numbered_folder, **rule), global_step=3), 1) == alone[12:]
    if sampling == "by_class":
        for first in (0, 3, 6, 9, 12):
            assert {label for _, label in alone[first : first + 3]} == {0, 1, 2}


def test_batch_size_that_the_processes_cannot_divide(numbered_folder):
    with pytest.raises(ValueError, match="4 cannot be divided by 3 processes; take 3"):
        on_process(folder(numbered_folder), 0, 3).train_dataloader()


def test_a_resumed_run_goes_on_with_the_same_clips(numbered_folder):
    through = read(on_process(folder(numbered_folder)), 7)
    assert read(on_process(folder(numbered_folder), global_step=5), 2) == through[20:]


class Recorder(LightningModule):
    """Learns nothing, writes down what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[list[Written]] = []

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        clip = batch["clip"]
        assert clip.dtype == torch.float32 and -1 <= clip.min() < -0.9 and 0.9 < clip.max() <= 1
        self.seen.append([read_clip_numbers(((c + 1) * 127.5).round().to(torch.uint8)) for c in clip])
        return self.layer(clip.new_ones(1, 1)).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data: VideoFolder, tmp_path: Path, max_steps: int, ckpt_path: str | None = None) -> tuple[Recorder, Trainer]:
    trainer = Trainer(
        max_steps=max_steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    module = Recorder()
    trainer.fit(module, data, ckpt_path=ckpt_path, weights_only=True)
    return module, trainer


@pytest.mark.parametrize("num_workers", [0, 2])
def test_through_lightning_and_on_from_a_checkpoint(numbered_folder, tmp_path, num_workers):
    """10 steps of 4 clips are five epochs of the eight videos, all in one endless epoch of Lightning's."""
    data = folder(numbered_folder, num_workers=num_workers)
    through, trainer = fit(data, tmp_path, max_steps=10)
    assert len(through.seen) == trainer.global_step == 10
    assert [clip for batch in through.seen for clip in batch] == [clip for clip, _ in read(folder(numbered_folder), 10)]
    assert trainer.train_dataloader.seconds_waited > 0

    first, trainer = fit(folder(numbered_folder, num_workers=num_workers), tmp_path, max_steps=4)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    rest, _ = fit(folder(numbered_folder, num_workers=num_workers), tmp_path, 10, str(tmp_path / "half.ckpt"))
    assert first.seen + rest.seen == through.seen


def test_no_video_is_ever_opened_in_this_process(numbered_folder, monkeypatch):
    opened, reader = [], reading.decord.VideoReader

    def record(path: str, **arguments: object) -> object:
        opened.append(path)
        return reader(path, **arguments)

    monkeypatch.setattr(reading.decord, "VideoReader", record)
    data = folder(numbered_folder, num_workers=0)
    data.prepare_data()
    data.setup("fit")
    assert data.fps and data.fingerprint("train") and data.summary()
    assert len(read(data, 3)) == 12
    assert data.evaluation_dataset(1, "train")[0]["clip"].shape == data.video_shape
    assert opened == []
    reading.read_frames(numbered_folder / data.videos("train")[0].path, range(2), 64)
    assert opened  # so it would have been seen


def test_evaluation_clips_are_fixed_and_take_the_videos_in_turn(numbered_folder):
    data = folder(numbered_folder, validation_fraction=0.3)
    held_out = {int(video.path[-5]) for video in data.videos("validation")}
    assert len(held_out) == data.num_videos("validation") == 3 and data.num_videos("train") == 6
    clips = data.evaluation_dataset(9, "validation")
    written = [read_clip_numbers(item["clip"]) for item in clips]
    for first in (0, 3, 6):
        assert {clip.video for clip in written[first : first + 3]} == held_out
    assert not any(clip.flip for clip in written)
    assert [item["label"] for item in clips] == [clip.video // 3 for clip in written] == clips.labels
    assert len({clip.frames[0] for clip in written}) > 3
    again = folder(numbered_folder, validation_fraction=0.3, batch_size=2).evaluation_dataset(4, "validation")
    assert [read_clip_numbers(item["clip"]) for item in again] == written[:4]
    trained_on = {written.video for written, _ in read(data, 6)}
    assert trained_on == set(range(9)) - held_out


def test_people_are_not_divided_between_the_splits(numbered_folder):
    data = folder(numbered_folder, validation_fraction=0.3, group_pattern=r"person(\d)")
    people = [{video.path.split("person")[1][0] for video in data.videos(split)} for split in ("train", "validation")]
    assert len(people[0]) == 2 and len(people[1]) == 1 and not people[0] & people[1]


def test_lists_name_the_splits(numbered_folder, tmp_path):
    (tmp_path / "held_out.txt").write_text("jump/person0_3.mp4\nwave/person2_8.mp4\n")
    data = folder(numbered_folder, validation_list=str(tmp_path / "held_out.txt"))
    assert [video.path for video in data.videos("validation")] == ["jump/person0_3.mp4", "wave/person2_8.mp4"]
    assert data.num_videos("train") == 7


def test_what_it_says_of_itself(numbered_folder):
    data = folder(numbered_folder)
    assert data.video_shape == (3, 6, 64, 64)
    assert data.fps == pytest.approx(25 / 3)
    assert data.class_names == ("bow", "jump", "wave")
    name = numbered_folder.name
    assert data.summary() == (f"{name}: 9 videos (8 train, 1 validation), 3 classes, 6 frames of 64x64, stride 3")
    assert (
        "3 videos (3 train, 0 validation), 1 class," in folder(numbered_folder / "bow", validation_fraction=0).summary()
    )


def test_fingerprint_is_of_the_content_of_a_split(numbered_folder, tmp_path):
    copy = shutil.copytree(numbered_folder, tmp_path / "copy")
    original = folder(numbered_folder)
    assert len(original.fingerprint("train")) == 64
    assert folder(copy, seed=1, size=32).fingerprint("train") == original.fingerprint("train")
    assert original.fingerprint("train") != original.fingerprint("validation")
    write_numbered(copy / original.videos("train")[0].path, 0, 30)
    assert folder(copy).fingerprint("train") != original.fingerprint("train")
    assert folder(copy).fingerprint("validation") == original.fingerprint("validation")


def test_setup_reads_the_index_once(numbered_folder, monkeypatch):
    data = folder(numbered_folder)
    data.prepare_data()
    monkeypatch.setattr("datamodules.video_folder.index_videos", lambda *_, **__: pytest.fail("read again"))
    data.setup("fit")
    data.setup("validate")
    assert data.num_videos("train") == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frames": 0}, "num_frames is 0; it must be at least 1"),
        ({"frame_stride": 0}, "frame_stride is 0"),
        ({"size": 0}, "size is 0"),
        ({"max_frame_stride": 2}, "max_frame_stride is 2; it must be at least frame_stride, 3"),
        ({"sampling": "by_chance"}, "sampling is 'by_chance'; it must be one of by_video, by_clip, by_class"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_workers": -1}, "num_workers is -1; it must be at least 0"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"frame_stride": 8}, "9 of 9 videos are shorter than a clip, which spans 41 frames"),
        ({"frame_stride": 8, "skip_short_videos": True}, "every video is shorter than a clip"),
    ],
)
def test_mistakes_in_the_arguments(numbered_folder, arguments, message):
    with pytest.raises(ValueError) as error:
        folder(numbered_folder, **arguments).prepare_data()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_mistakes_in_what_is_asked_for(numbered_folder):
    data = folder(numbered_folder, validation_fraction=0)
    assert data.num_videos("validation") == 0
    for ask, message in (
        (lambda: data.evaluation_dataset(4, "validation"), "the validation split is empty"),
        (lambda: data.fingerprint("validation"), "the validation split is empty"),
        (lambda: data.evaluation_dataset(4, "test"), "no split 'test'; there are train and validation"),
        (lambda: data.evaluation_dataset(0, "train"), "num_clips is 0"),
    ):
        with pytest.raises(ValueError) as error:
            ask()
        assert message in str(error.value) and "\n" not in str(error.value)


def test_short_videos_are_skipped_when_asked_to(numbered_folder):
    with pytest.warns(UserWarning, match="3 of 9 videos"):
        data = folder(numbered_folder, num_frames=26, frame_stride=1, skip_short_videos=True)
        data.prepare_data()
    assert data.num_videos("train") + data.num_videos("validation") == 6


def test_short_videos_that_no_list_names_do_not_matter(numbered_folder, tmp_path):
    (tmp_path / "train.txt").write_text("bow/person1_1.mp4\n")
    (tmp_path / "validation.txt").write_text("jump/person2_5.mp4\n")
    lists = {"train_list": str(tmp_path / "train.txt"), "validation_list": str(tmp_path / "validation.txt")}
    data = folder(numbered_folder, num_frames=40, frame_stride=1, **lists)
    assert [read_clip_numbers(item["clip"]).video for item in data.evaluation_dataset(2, "train")] == [1, 1]


def test_nothing_left_to_train_with(numbered_folder, tmp_path):
    (tmp_path / "train.txt").write_text("bow/person0_0.mp4\n")
    data = folder(
        numbered_folder, num_frames=30, frame_stride=1, skip_short_videos=True, train_list=str(tmp_path / "train.txt")
    )
    with pytest.raises(ValueError, match="no video of 30 frames or more is left"), pytest.warns(UserWarning):
        data.prepare_data()


def test_every_argument_can_be_written_in_yaml_and_is_explained(numbered_folder, capsys):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_string(
        f"data: {{class_path: datamodules.video_folder.VideoFolder, init_args: {{root: {numbered_folder}, size: 32}}}}"
    )
    assert parser.instantiate(config).data.video_shape == (3, 16, 32, 32)
    with pytest.raises(SystemExit):
        parser.parse_args(["--data.help=datamodules.video_folder.VideoFolder"])
    text = " ".join(capsys.readouterr().out.split())
    for argument in config.data.init_args.as_dict():
        explained = text.split(f"--data.{argument} ")[-1][:60]
        assert explained.upper().count(argument.upper()) <= 1 and "(type" not in explained[:30], argument


def test_real_videos():
    root = Path(__file__).parents[2].parent / "shared" / "data" / "weizmann_actions"
    if not root.exists():
        pytest.skip("the Weizmann actions are not there")
    data = VideoFolder(str(root), num_workers=2, flip=False)
    assert data.summary().startswith(
        "weizmann_actions: 72 videos (65 train, 7 validation), 4 classes, 16 frames of 64x64"
    )
    batch = next(iter(data.train_dataloader()))
    assert batch["clip"].shape == (16, 3, 16, 64, 64) and set(batch["label"].tolist()) <= {0, 1, 2, 3}
    assert batch["clip"].float().std() > 10
