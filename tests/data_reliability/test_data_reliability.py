"""The proof in short, and that it can fail."""

from random import Random

import pytest

from tests.data_reliability import proofs
from tests.data_reliability.__main__ import main
from tests.data_reliability.corpus import KINDS, mutate, mutations, write


def test_every_mutation_changes_every_kind_of_video(tmp_path):
    changes = mutations(tmp_path / "instead", 0)
    for name in ("h264", "mpeg4"):
        content = write(tmp_path / f"good{KINDS[name].suffix}", KINDS[name], Random(0)).read_bytes()
        for what, change in changes.items():
            path = tmp_path / "changed.mp4"
            path.write_bytes(content)
            mutate(path, change, Random(1))
            assert path.exists() is (what != "missing")
            assert not path.exists() or path.read_bytes() != content, what


@pytest.mark.slow
def test_nothing_is_wrong_with_some(tmp_path, capsys):
    assert main(["--videos", "64", "--reads", "400", "--output", str(tmp_path / "out")]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_what_is_wrong_is_found(tmp_path, monkeypatch):
    corpus = proofs.Corpus(tmp_path / "out", 16, 0)
    good = next(video.path for video in corpus.videos if video.path not in corpus.changed)
    monkeypatch.setitem(corpus.changed, good, "nothing")
    assert f"one.jsonl: {good} (nothing) is not named" in proofs.prove_changed(corpus, tmp_path)
