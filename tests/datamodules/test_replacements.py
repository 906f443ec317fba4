from itertools import islice

import numpy as np

from datamodules.clip_sampling import EvaluationClips, TrainingClips
from datamodules.replacements import choices_at

LENGTHS = [20 + number for number in range(12)]
LABELS = [number % 3 for number in range(12)]


def choices(position, choose, labels=LABELS):
    return list(choices_at(position, choose, labels.__getitem__))


def training(**others):
    return TrainingClips(LENGTHS, 8, seed=3, flip=True, labels=LABELS, **others)


def test_the_clip_itself_comes_first_and_no_video_twice():
    for choose in (training(), training(sampling="by_class"), training(sampling="by_clip"),
                   EvaluationClips(LENGTHS, 8, seed=3)):  # fmt: skip
        for position in (0, 5, 10**9):
            found = choices(position, choose)
            assert found[0] == choose(position)
            assert sorted(choice.video for choice in found) == list(range(12))
            assert all(0 <= each.start_frame <= LENGTHS[each.video] - 8 for each in found)


def test_videos_of_the_same_class_come_before_others():
    for position in range(5):
        labels = [LABELS[choice.video] for choice in choices(position, training())]
        assert labels[:4] == [labels[0]] * 4 and labels[0] not in labels[4:]


def test_they_are_a_function_of_the_position():
    first, again = (
        [list(islice(choices_at(position, choose, LABELS.__getitem__), 3)) for position in order]
        for choose, order in ((training(), range(50)), (training(), reversed(range(50))))
    )
    assert first == again[::-1]
    assert len({(second.video, second.start_frame) for _, second, _ in first}) > 20


def test_a_single_video_has_no_replacement():
    assert len(choices(0, TrainingClips([30], 8, 0, True), [0])) == 1


def test_other_videos_stand_in_alike_often():
    choose = TrainingClips([30] * 10, 8, 0, True)
    counts = np.zeros(10, int)
    for position in range(1000):
        first, second = islice(choices_at(position, choose, lambda video: 0), 2)
        if first.video == 0:
            counts[second.video] += 1
    assert counts[0] == 0 and (counts[1:] > 0).all() and counts.sum() == 100
