import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.file_side import Files
from evaluation.measuring import FeatureMeasurement
from evaluation.open_videos import open_videos
from metrics.card import MetricCard
from metrics.clip_rules import END_TO_END
from metrics.estimators import Estimate, Frechet
from metrics.protocols import NETWORKS, protocol_named
from metrics.statistics_cache import StatisticsCache
from tests.evaluation.networks import Quarters, array, files, measured, outcomes

ALL = [f"{name}/quarters" for name in ("fvd10_8f", "kvd10_8f", "prdc10_8f", "is10_8f", "memorisation10_8f", "fid80")]


@pytest.fixture(autouse=True)
def quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "quarters", Quarters)
    monkeypatch.setattr(Quarters, "seen", 0)


@pytest.fixture
def real(tmp_path: Path) -> Files:
    return files(array(tmp_path / "real.npy", 13, seed=1))


@pytest.fixture
def fake(tmp_path: Path) -> Files:
    return files(array(tmp_path / "fake.npy", 11, seed=2, shift=9))


def assert_close(one: dict[str, MetricCard], other: dict[str, MetricCard], rel: float) -> None:
    assert one.keys() == other.keys()
    for key, card in one.items():
        assert card.value == pytest.approx(other[key].value, rel=rel, abs=1e-12), key
        assert card.interval == pytest.approx(other[key].interval, rel=rel, abs=1e-12), key
        assert card.differences(other[key]) == [], key


def test_real_against_the_same_real(real: Files) -> None:
    names = [f"{name}/quarters" for name in ("fvd13_8f", "fid104", "prdc13_8f", "memorisation13_8f", "kvd13_8f")]
    cards = {key.partition("/")[0]: card for key, card in measured(real, real, *names).items()}
    for name in ("fvd13_8f", "fid104"):
        assert abs(cards[name].value) < 1e-6 * 12 * 50**2  # of the traces: 12 features that differ by 50 levels or so
    assert [cards[f"{name}13_8f"].value for name in ("precision", "recall", "density", "coverage")] == [1, 1, 1, 1]
    assert cards["memorisation13_8f"].value == 0
    assert cards["kvd13_8f"].value < 0


def test_batch_size_order_and_company_do_not_matter(real: Files, fake: Files, tmp_path: Path) -> None:
    together = measured(real, fake, *ALL)
    assert len(together) == 9
    backwards = measured(real, fake, *reversed(ALL))
    assert_close(together, backwards, rel=1e-12)
    one_by_one = (Files(each.source, batch_size=1) for each in (real, fake))
    assert_close(together, measured(*one_by_one, *ALL, cache=StatisticsCache(tmp_path / "another")), rel=1e-6)
    alone = {key: card for name in ALL for key, card in measured(real, fake, name).items()}
    assert_close(together, alone, rel=1e-9)


def test_protocols_share_passes(real: Files, fake: Files) -> None:
    measured(real, fake, *ALL[:4])
    assert Quarters.seen == 10 + 10
    protocols = [protocol_named(name, 8) for name in (*ALL[:4], "fvd7_8f/quarters", "fvd4_4f/quarters", ALL[4])]
    assert [len(each.protocols) for each in FeatureMeasurement(real, fake, protocols).passes] == [5, 1, 1]


def test_more_clips_begin_with_those_of_fewer(real: Files, fake: Files) -> None:
    assert_close(
        measured(real, fake, "fvd7_8f/quarters"),
        {"fvd7_8f/quarters": measured(real, fake, "fvd10_8f/quarters", "fvd7_8f/quarters")["fvd7_8f/quarters"]},
        rel=1e-9,
    )


def test_one_round_of_a_rule_that_repeats_is_not_mixed_with_more(real: Files, fake: Files) -> None:
    """13 real videos give 13 clips in a round; where 40 are wanted, 40."""
    many = replace(protocol_named("fvd10_8f/quarters"), name="many", num_real=40)
    one_round = replace(many, name="one round", num_real=None)
    found = {each.name: each for each in FeatureMeasurement(real, fake, [many, one_round]).measure()}
    assert [found[name].cards[0].num_real for name in ("many", "one round")] == [40, 13]


def test_a_warm_cache_gives_the_same_without_the_network(real: Files, fake: Files) -> None:
    cold = measured(real, fake, *ALL)
    of_fake = 2 * 10  # two passes: memorisation has another rule for the real clips
    assert Quarters.seen == 10 + 13 + of_fake
    Quarters.seen = 0
    with ThreadPoolExecutor(1) as pool:  # nothing is remembered outside the files
        warm = pool.submit(measured, real, fake, *ALL).result()
    assert Quarters.seen == of_fake
    assert warm == cold


@pytest.fixture
def misses(real: Files, fake: Files) -> Callable[..., bool]:
    """Whether a measurement with something changed runs real clips through the network, once it was run without."""
    measured(real, fake, ALL[0])

    def misses(changed: Files = real, **given: object) -> bool:
        Quarters.seen = 0
        measured(changed, fake, ALL[0], **given)
        assert Quarters.seen in (10, 20)
        return Quarters.seen == 20

    return misses


def test_what_the_cache_depends_on(
    misses: Callable[..., bool], real: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not misses()
    assert not misses(Files(real.source, batch_size=3))
    assert misses(seed=1)
    assert misses(size=(8, 8))
    some = open_videos(real.source.path).restricted_to(real.source.names[:12])
    assert misses(Files(some))
    monkeypatch.setattr(Quarters, "digest", "1" * 64)
    assert misses()
    assert not misses()


def test_one_byte_of_one_video_misses_the_cache(misses: Callable[..., bool], real: Files, tmp_path: Path) -> None:
    videos = np.load(real.source.path).copy()
    videos[3, 2, 1, 0, 1] ^= 1
    np.save(tmp_path / "changed.npy", videos)
    (tmp_path / "changed.npy").rename(real.source.path)
    assert misses(files(real.source.path))
    assert not misses(files(real.source.path))


def test_the_stride_of_the_data_misses_the_cache_and_stands_on_the_card(tmp_path: Path, fake: Files) -> None:
    path = array(tmp_path / "longer.npy", 13, num_frames=17)
    once, twice = (
        measured(files(path, frame_stride=stride), fake, "fvd10_8f/quarters")["fvd10_8f/quarters"] for stride in (1, 2)
    )
    assert once.value != twice.value
    assert once.differences(twice) == ["settings"]


def test_a_damaged_file_is_computed_again(misses: Callable[..., bool], tmp_path: Path) -> None:
    (kept,) = (tmp_path / "cache/statistics").iterdir()
    kept.write_bytes(kept.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="holds no statistics .*; computing them again"):
        assert misses()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not misses()


def test_two_evaluations_at_once(real: Files, fake: Files, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda names: measured(real, fake, *names), [ALL, ALL])
    assert one == other
    assert {each.suffix for each in (tmp_path / "cache/statistics").iterdir()} == {".pt"}


def test_one_that_cannot_be_computed_loses_no_other(real: Files, fake: Files) -> None:
    class Hopeless(Frechet):
        def estimates(self, *arguments: object) -> dict[str, Estimate]:
            raise torch.linalg.LinAlgError("did not converge\nand more")

    good = protocol_named("fvd10_8f/quarters")
    bad = replace(good, name="bad", estimator=Hopeless("fvd"))
    found = list(FeatureMeasurement(real, fake, [bad, good]).measure())
    assert [(each.name, each.failure, len(each.cards)) for each in found] == [
        ("bad", "did not converge", 0),
        ("fvd10_8f/quarters", "", 1),
    ]


def test_videos_that_cannot_be_read_fail_their_pass_only(
    real: Files, fake: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: Quarters, clips: torch.Tensor) -> dict[str, torch.Tensor]:
        if clips.shape[2] == 4:
            raise ValueError("clip 3 is broken")
        return super(Quarters, self).__call__(clips)

    monkeypatch.setattr(Quarters, "__call__", read)
    found = outcomes(real, fake, "fvd10_4f/quarters", "kvd10_4f/quarters", "fvd10_8f/quarters")
    assert [each.failure for each in found.values()] == ["clip 3 is broken", "clip 3 is broken", ""]


def test_trials_are_of_other_clips_and_have_a_deviation(tmp_path: Path, fake: Files) -> None:
    real = files(array(tmp_path / "longer.npy", 13, num_frames=20))
    protocol = replace(protocol_named("fvd10_8f/quarters"), num_trials=3)
    (card,) = next(FeatureMeasurement(real, fake, [protocol], seed=5).measure()).cards
    singles = [measured(real, fake, "fvd10_8f/quarters", seed=seed)["fvd10_8f/quarters"] for seed in (5, 6, 7)]
    values = torch.tensor([each.value for each in singles], dtype=torch.float64)
    assert card.num_trials == 3
    assert (card.value, card.standard_deviation) == pytest.approx((values.mean().item(), values.std().item()))
    assert card.interval is not None and card.interval[0] < card.value < card.interval[1]


def test_the_card(real: Files, fake: Files) -> None:
    card = measured(real, fake, "fid80/quarters", seed=3)["fid80/quarters"]
    assert (card.num_real, card.num_fake, card.num_frames, card.frame_size) == (80, 80, 8, (16, 16))
    assert (card.real_fingerprint, card.seed, card.fps, card.step) == (real.fingerprint, 3, 0.0, None)
    assert card.real_rule is not None and card.fake_rule is not None and card.sampling == {}
    assert "real_rule" in card.differences(replace(card, real_rule=END_TO_END.as_dict()))
    assert card.fake == "fake.npy: 11 videos in 1 class, 8 frames of 16x16; array"
    score = measured(real, fake, "is10_8f/quarters")["is10_8f/quarters"]
    assert (score.num_real, score.real_fingerprint, score.real_rule, score.settings) == (0, "", None, {})


def test_what_a_reader_must_know(tmp_path: Path, video_folder: Path) -> None:
    """Too few clips for a covariance, too few for the protocol, videos that are too short."""
    videos = Files(open_videos(video_folder), batch_size=2)  # of 20, 16, 24 and 10 frames
    protocol = replace(protocol_named("fvd3_16f/quarters"), real_rule=END_TO_END)
    (card,) = next(FeatureMeasurement(videos, videos, [replace(protocol, num_real=50)]).measure()).cards
    assert [each.partition(":")[0] for each in card.warnings] == [
        "3 rows for 12 features",
        "the protocol takes 50 real clips, and there are 3",
        "1 real video left out, too short",
        "1 fake video left out, too short",
    ]


def refused(expected: str, real: Files | None, fake: Files, *names: str, **given: object) -> None:
    Quarters.seen = 0
    with pytest.raises((ValueError, OSError), match=expected) as raised:
        measured(real, fake, *names, **given)
    assert "\n" not in str(raised.value)
    assert Quarters.seen == 0


def test_what_cannot_work_is_found_before_anything_is_computed(tmp_path: Path, real: Files, fake: Files) -> None:
    good = "fvd10_8f/quarters"
    refused("fvd10_8f/quarters compares with real videos; give them with --real", None, fake, "is10_8f/quarters", good)
    refused(r"fvd12_8f/quarters is of 12 clips, and there are 11 long enough in fake\.npy", real, fake, good,
            "fvd12_8f/quarters")  # fmt: skip
    refused("kid80/quarters needs at least 1000 fake frames, and there are 80", real, fake, good, "kid80/quarters")
    refused("prdc5_8f/quarters needs at least 6 fake clips, and there are 5", real, fake, "prdc5_8f/quarters")
    whole_set = replace(protocol_named(good), num_real=None, real_rule=END_TO_END)
    with pytest.raises(ValueError, match="fvd10_8f/quarters needs at least 2 real clips, and there are 1"):
        FeatureMeasurement(files(array(tmp_path / "few.npy", 1)), fake, [whole_set])
    refused("quarters takes clips of 2 frames or more", real, fake, good, "fvd10_1f/quarters")
    refused(
        r"fvd10_9f/quarters: .*real\.npy: none of the 13 videos, of at most 8 frames, is long enough",
        real,
        fake,
        "fvd10_9f/quarters",
    )
    refused("optical_flow has features of clips, no logits; take another network", real, fake, "is10_8f/optical_flow")
    refused("a weight file of i3d is given, and what is measured uses quarters", real, fake, good,
            weights={"i3d": "x"})  # fmt: skip
    refused("quarters has no weights; give no file for it", real, fake, good, weights={"quarters": "x"})
