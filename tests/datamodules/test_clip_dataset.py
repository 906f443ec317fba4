import pickle

import pytest
import torch

from datamodules.clip_dataset import ClipDataset, FixedClipDataset
from datamodules.clip_sampling import ClipChoice
from datamodules.video_file_reader import VideoFileReader
from datamodules.video_index import index_videos
from tests.numbered_videos import read_clip_numbers


def choose(position: int) -> ClipChoice:
    """Video = position; the odd ones are mirrored."""
    return ClipChoice(position, start_frame=position, flip=position % 2 == 1, frame_stride=3)


@pytest.fixture
def clips(numbered_folder):
    videos = index_videos(numbered_folder).videos
    read = VideoFileReader(numbered_folder, videos, size=48)
    return {"videos": videos, "choose": choose, "num_frames": 5, "read": read}


def test_the_chosen_clip_is_delivered(clips):
    dataset = ClipDataset(**clips)
    for position in range(9):
        item = dataset[position]
        assert item["clip"].shape == (3, 5, 48, 48) and item["clip"].dtype == torch.uint8
        assert item["label"] == position // 3 and item["position"] == position
        numbers = read_clip_numbers(item["clip"])
        assert numbers == (position, list(range(position, position + 15, 3)), position % 2 == 1)


def test_a_mirrored_clip_is_the_same_clip_mirrored(clips):
    plain = ClipDataset(**{**clips, "choose": lambda position: choose(position)._replace(flip=False)})
    assert torch.equal(ClipDataset(**clips)[1]["clip"], plain[1]["clip"].flip(-1))


def test_fixed_clips_end(clips):
    dataset = FixedClipDataset(num_clips=4, **clips)
    assert len(dataset) == 4
    items = list(dataset)
    assert [item["label"] for item in items] == dataset.labels == [0, 0, 0, 1]
    for position in (-1, 4):
        with pytest.raises(IndexError, match="of 4"):
            dataset[position]


def test_it_can_be_sent_to_another_process(clips):
    dataset = ClipDataset(**clips)
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[2]["clip"], dataset[2]["clip"])


def test_kept_videos_are_decoded_once_and_give_the_same_clips(clips):
    streamed = [ClipDataset(**clips)[position]["clip"] for position in range(4)]
    decoded = []

    def counting(number, frames):
        decoded.append(number)
        return clips["read"](number, frames)

    kept = ClipDataset(**{**clips, "read": counting}, keep_decoded=True)
    for _ in range(2):
        assert all(torch.equal(kept[position]["clip"], streamed[position]) for position in range(4))
    assert decoded == [0, 1, 2, 3]
