from itertools import chain, islice

import pytest

from datamodules.clip_sampling import EvaluationClips, PositionBatches, TrainingClips

NUM_FRAMES = [16, 40, 23, 100, 17, 31, 64]
SPAN = 16


def training(seed: int = 0, flip: bool = True) -> TrainingClips:
    return TrainingClips(NUM_FRAMES, SPAN, seed, flip)


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
    assert [tuple(training()(position)) for position in (0, 1, 1000)] == [(2, 4, False), (4, 1, True), (3, 26, False)]
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
