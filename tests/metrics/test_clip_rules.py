from collections import Counter

import numpy as np
import pytest

from metrics import clip_rules
from metrics.clip_rules import ClipRule, ClipStart, choose, clip_span, is_long_enough

LENGTHS = [20, 16, 40, 5, 17, 16]  # one is too short for 16 frames
RULES = {name: rule for name, rule in vars(clip_rules).items() if isinstance(rule, ClipRule)}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize(("num_frames", "stride"), [(16, 1), (1, 1), (3, 4)])
def test_every_clip_lies_within_its_video_and_is_a_function_of_seed_and_index(
    rule: ClipRule, num_frames: int, stride: int
) -> None:
    labels = [0, 0, 1, 1, 1, 1]
    clips = choose(rule, LENGTHS, 12, num_frames, stride, seed=3, labels=labels)
    span = clip_span(num_frames, stride)
    assert 0 < len(clips) <= 12
    assert all(0 <= start <= LENGTHS[video] - span for video, start in clips)
    again = choose(rule, LENGTHS, 12, num_frames, stride, seed=3, labels=labels)
    backwards = [again[index] for index in reversed(range(len(clips)))]
    assert backwards[::-1] == list(clips)
    fewer = choose(rule, LENGTHS, 4, num_frames, stride, seed=3, labels=labels)
    assert list(fewer) == clips[:4]


def test_stylegan_v_takes_the_first_videos_of_the_sorted_list_once_each() -> None:
    clips = choose(clip_rules.STYLEGAN_V, [30] * 5, 3, 16)
    assert [clip.video for clip in clips] == [0, 1, 2]
    every = choose(clip_rules.STYLEGAN_V, LENGTHS, 2048, 16)
    assert [clip.video for clip in every] == [0, 1, 2, 4, 5]  # min(2048, videos), the short one left out
    assert every.num_too_short == 1
    many = choose(clip_rules.STYLEGAN_V, [20] * 4000, 4000, 16, seed=1)
    counts = Counter(clip.start_frame for clip in many)
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(abs(count / 800 - 1) < 0.15 for count in counts.values())


def test_stylegan_v_measures_generated_videos_from_their_first_frame() -> None:
    assert [clip.start_frame for clip in choose(clip_rules.STYLEGAN_V_GENERATED, [99] * 50, 50, 16)] == [0] * 50


def test_stylegan_v_wants_whole_strides_of_a_video() -> None:
    lengths = [121, 127, 128]
    assert is_long_enough(clip_rules.STYLEGAN_V, lengths, 16, 8).tolist() == [False, False, True]
    assert is_long_enough(clip_rules.STYLEGAN_V_GENERATED, lengths, 16, 8).tolist() == [True, True, True]
    starts = {clip.start_frame for clip in choose(clip_rules.STYLEGAN_V, [128] * 300, 300, 16, 8)}
    assert starts == set(range(8))  # 128 frames: its code draws from 0 to 128 - 128 + 8 - 1


def test_all_windows_are_taken_once_and_in_order() -> None:
    clips = choose(clip_rules.ALL_WINDOWS, LENGTHS, None, 16)
    expected = [(video, start) for video, length in enumerate(LENGTHS) for start in range(length - 15)]
    assert list(clips) == expected
    frames = choose(clip_rules.ALL_WINDOWS, LENGTHS, None, 1)
    assert len(frames) == sum(LENGTHS)


def test_windows_end_to_end_share_no_frame() -> None:
    assert list(choose(clip_rules.END_TO_END, LENGTHS, None, 8)) == [
        *[(0, 0), (0, 8), (1, 0), (1, 8), (2, 0), (2, 8), (2, 16), (2, 24), (2, 32), (4, 0), (4, 8), (5, 0), (5, 8)]
    ]
    assert list(choose(clip_rules.END_TO_END, [10], None, 2, 3)) == [(0, 0), (0, 4)]  # a clip spans four frames


def test_shuffled_windows_weigh_long_videos_more_and_do_not_repeat() -> None:
    clips = choose(clip_rules.TATS, [17, 115], 2048, 16, seed=5)
    assert len(clips) == 102  # all windows there are
    assert len(set(clips)) == 102
    assert Counter(clip.video for clip in clips) == {0: 2, 1: 100}
    assert list(clips) != sorted(clips)
    assert list(choose(clip_rules.DIGAN, [17, 115], 50, 16, seed=6)) != clips[:50]  # another trial, another seed


def test_video_uniform_gives_every_video_a_clip_before_any_a_second_one() -> None:
    clips = choose(clip_rules.VIDEO_UNIFORM, LENGTHS, 12, 16, seed=2)
    assert len(clips) == 12
    assert {clip.video for clip in clips[:5]} == {clip.video for clip in clips[5:10]} == {0, 1, 2, 4, 5}
    assert [clip.video for clip in clips[:5]] != [clip.video for clip in clips[5:10]]
    weights = Counter(clip.video for clip in choose(clip_rules.VIDEO_UNIFORM, [16, 160], 1000, 16))
    assert weights == {0: 500, 1: 500}


def test_classes_take_turns() -> None:
    rule = ClipRule("shuffled", one_per_video=False, balanced_classes=True)
    labels = [0, 0, 2, 2]  # a class without videos has no turn
    clips = choose(rule, [100, 100, 17, 16], 10, 16, labels=labels)
    assert [labels[clip.video] for clip in clips] == [0, 2, 0, 2, 0, 2]  # the smaller class has three windows
    repeating = choose(ClipRule("shuffled", False, balanced_classes=True, repeats=True), [100, 100, 17, 16], 10, 16,
                       labels=labels)  # fmt: skip
    assert Counter(labels[clip.video] for clip in repeating) == {0: 5, 2: 5}


def test_one_short_video_and_one_clip() -> None:
    assert list(choose(clip_rules.VIDEOGPT, [16], 256, 16)) == [ClipStart(0, 0)]


def test_a_million_windows_cost_no_list() -> None:
    clips = choose(clip_rules.ALL_WINDOWS, np.full(10_000, 200), None, 1)
    assert len(clips) == 2_000_000
    assert clips[1_234_567] == ClipStart(6172, 167)
    assert clips[-1] == ClipStart(9999, 199)
    with pytest.raises(IndexError):
        clips[2_000_000]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"lengths": []}, "there is no video"),
        ({"lengths": [3, 15]}, "none of the 2 videos, of at most 15 frames, is long enough for clips of 16 frames"),
        ({"num_clips": 0}, "num_clips is 0; it must be at least 1"),
        ({"num_frames": 0}, "num_frames is 0"),
        ({"frame_stride": 0}, "frame_stride is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"labels": [1]}, "1 labels do not fit 2 videos"),
        ({"rule": clip_rules.TATS_GENERATED}, "needs the videos' labels"),
    ],
)
def test_a_mistake_is_one_line(arguments: dict, expected: str) -> None:
    given = {"rule": clip_rules.DIGAN, "lengths": [20, 20], "num_clips": 4, "num_frames": 16, **arguments}
    with pytest.raises(ValueError, match=expected) as raised:
        choose(**given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("contradiction", "expected"),
    [
        ({"order": "random", "one_per_video": True}, "order is sorted or shuffled"),
        ({"order": "sorted", "one_per_video": False, "start": "first"}, "start must be 'random'"),
        ({"order": "sorted", "one_per_video": True, "overlapping": False}, "needs one_per_video=False"),
        ({"order": "sorted", "one_per_video": True, "start": "first", "repeats": True}, "set repeats=False"),
    ],
)
def test_a_rule_that_contradicts_itself(contradiction: dict, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        ClipRule(**contradiction)


def test_a_rule_is_plain_data() -> None:
    assert ClipRule(**clip_rules.TATS.as_dict()) == clip_rules.TATS
