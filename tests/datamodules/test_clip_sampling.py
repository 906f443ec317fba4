import time
from collections import Counter
from itertools import chain, islice

import pytest

from datamodules.clip_sampling import EvaluationClips, PositionBatches, TrainingClips

NUM_FRAMES = [16, 40, 23, 100, 17, 31, 64]
SPAN = 16


def training(seed: int = 0, flip: bool = True, **rule: object) -> TrainingClips:
    return TrainingClips(NUM_FRAMES, SPAN, seed, flip, **rule)


def evaluation(seed: int = 0) -> EvaluationClips:
    return EvaluationClips(NUM_FRAMES, SPAN, seed)


def batches(number: int, batch_size: int, rank: int = 0, world_size: int = 1, start_step: int = 0) -> list[list[int]]:
    return list(islice(PositionBatches(batch_size, rank, world_size, start_step), number))


def test_every_epoch_takes_each_video_once_in_a_new_order():
    stream = training()
    orders = [[stream(7 * epoch + place).video for place in range(7)] for epoch in range(20)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) == 20


def test_a_choice_depends_on_seed_and_position_alone():
    in_order = [training()(position) for position in range(50)]
    stream = training()
    assert [stream(position) for position in reversed(range(50))] == in_order[::-1]
    assert stream(10**15) == training()(10**15)
    assert [training(seed=1)(position) for position in range(50)] != in_order


def test_the_order_of_clips_never_changes():
    """Written down once: a change here would let resumed runs go on with other clips, and move every metric."""
    assert [tuple(training()(position)[:3]) for position in (0, 1, 1000)] == [
        (2, 4, False),
        (4, 1, True),
        (3, 26, False),
    ]
    assert [evaluation()(index)[:2] for index in (0, 1, 1000)] == [(5, 8), (2, 7), (3, 46)]


@pytest.mark.parametrize("stream", [training(), evaluation()])
def test_start_frames_are_uniform_over_all_that_fit(stream):
    starts = {video: [] for video in range(7)}
    for position in range(7 * 1500):
        choice = stream(position)
        starts[choice.video].append(choice.start_frame)
    for video, num_frames in enumerate(NUM_FRAMES):
        num_starts = num_frames - SPAN + 1
        counts = [starts[video].count(start) for start in range(num_starts)]
        assert sum(counts) == 1500  # nothing outside
        expected = 1500 / num_starts
        chi_square = sum((count - expected) ** 2 / expected for count in counts)
        assert chi_square < num_starts + 4 * (2 * num_starts) ** 0.5  # mean + 4 standard deviations, and more


def test_half_of_the_training_clips_are_mirrored():
    flips = [training()(position).flip for position in range(2000)]
    assert 900 < sum(flips) < 1100
    assert not any(training(flip=False)(position).flip for position in range(100))


def test_flip_changes_nothing_else():
    for position in range(100):
        assert training(flip=True)(position)[:2] == training(flip=False)(position)[:2]


def test_by_clip_every_epoch_takes_each_clip_once_in_a_new_order():
    stream = training(sampling="by_clip")
    every_clip = {(video, start) for video, length in enumerate(NUM_FRAMES) for start in range(length - SPAN + 1)}
    num_clips = len(every_clip)
    epochs = [[stream(num_clips * epoch + place)[:2] for place in range(num_clips)] for epoch in range(3)]
    for clips in epochs:
        assert len(clips) == num_clips and set(clips) == every_clip
    assert epochs[0] != epochs[1] != epochs[2]


def test_by_class_every_class_comes_equally_often():
    labels = [4, 4, 2, 4, 4, 9, 4]  # five videos, one and one; classes 0, 1, 3, ... have none
    stream = training(sampling="by_class", labels=labels)
    videos = [stream(position).video for position in range(3 * 5 * 4)]
    for first in range(0, len(videos), 3):
        assert sorted(labels[video] for video in videos[first : first + 3]) == [2, 4, 9]
    of_the_large_class = [video for video in videos if labels[video] == 4]
    for first in range(0, 20, 5):
        assert sorted(of_the_large_class[first : first + 5]) == [0, 1, 3, 4, 6]
    assert len({tuple(of_the_large_class[first : first + 5]) for first in range(0, 20, 5)}) > 1
    assert len({tuple(labels[video] for video in videos[first : first + 3]) for first in range(0, 60, 3)}) == 6


@pytest.mark.parametrize("sampling", ["by_video", "by_clip", "by_class"])
def test_strides_are_drawn_from_those_that_fit(sampling):
    stream = TrainingClips([9, 40, 33], 9, 0, False, range(1, 5), sampling, labels=[0, 1, 1])
    strides = {video: Counter() for video in range(3)}
    for position in range(3000):
        choice = stream(position)
        frames = choice.frames(9)
        assert len(frames) == 9 and frames[0] >= 0 and frames[-1] < (9, 40, 33)[choice.video]
        strides[choice.video][choice.frame_stride] += 1
    assert set(strides[0]) == {1} and set(strides[1]) == set(strides[2]) == {1, 2, 3, 4}
    if sampling != "by_clip":  # of a clip that starts late only small strides fit
        count = sum(strides[1].values())
        assert all(abs(times - count / 4) < 5 * (count * 3 / 16) ** 0.5 for times in strides[1].values())


def test_one_frame_has_any_stride():
    stream = TrainingClips([1, 3], 1, 0, False, range(1, 4))
    assert {stream(position).frames(1)[0] for position in range(100)} == {0, 1, 2}


@pytest.mark.parametrize("sampling", ["by_video", "by_clip", "by_class"])
def test_any_position_of_a_million_videos_is_there_at_once(sampling):
    stream = TrainingClips([40] * 10**6, SPAN, 0, True, sampling=sampling, labels=[i % 400 for i in range(10**6)])
    start = time.process_time()
    choices = [stream(position) for position in (0, 123_456_789, 10**12)]
    assert time.process_time() - start < 0.05 * 5  # a busy machine
    assert len(set(choices)) == 3


def test_a_long_epoch_takes_each_clip_once():
    stream = TrainingClips([SPAN + 699] * 100, SPAN, 3, False, sampling="by_clip")  # too many for a shuffled list
    assert len({stream.rule(70_000 + place) for place in range(70_000)}) == 70_000


def test_evaluation_takes_videos_in_turn_and_never_mirrors():
    clips = [evaluation()(index) for index in range(28)]
    for first in range(0, 28, 7):
        assert sorted(clip.video for clip in clips[first : first + 7]) == list(range(7))
    assert not any(clip.flip for clip in clips)
    assert len({clip.start_frame for clip in clips if clip.video == 3}) > 1
    assert clips != [evaluation(seed=1)(index) for index in range(28)]


def test_evaluation_and_training_share_no_choice():
    assert [evaluation()(i).video for i in range(7)] != [training()(i).video for i in range(7)]
    # the long video has 85 places to start: equal random numbers would be seen
    same = sum(
        EvaluationClips([10**6], 1, 0)(i).start_frame == TrainingClips([10**6], 1, 0, True)(i).start_frame
        for i in range(50)
    )
    assert same == 0


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_processes_together_take_what_one_takes(world_size):
    alone = batches(5, batch_size=8)
    shares = [batches(5, 8, rank, world_size) for rank in range(world_size)]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == alone
    assert alone == [list(range(8 * step, 8 * step + 8)) for step in range(5)]


def test_a_resumed_run_goes_on():
    assert batches(3, 8, rank=1, world_size=2, start_step=5) == batches(8, 8, rank=1, world_size=2)[5:]


def test_the_stream_has_no_length():
    with pytest.raises(TypeError):
        len(PositionBatches(8))


def test_batch_size_must_divide_by_the_processes():
    with pytest.raises(ValueError, match="10 cannot be divided by 4 processes; take 8") as error:
        PositionBatches(10, rank=0, world_size=4)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("num_frames", [[], [16, 15]])
def test_a_clip_must_fit(num_frames):
    with pytest.raises(ValueError, match="16 frames"):
        TrainingClips(num_frames, SPAN, 0, True)
