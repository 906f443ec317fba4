import json
import multiprocessing

import pytest

from datamodules.data_ledger import DataLedger, SetAside, TooManyBadFilesError
from video_io.reading import VideoProperties

PROPERTIES = VideoProperties(24, 64, 64, 25.0, exact_seek=True)


def bad(path, kind="changed", since=0):
    return SetAside(path, kind, f"is {kind}", since, "ab" * 32, PROPERTIES)


def test_what_one_process_sets_aside_the_others_know(tmp_path):
    one, other = DataLedger(tmp_path / "l.jsonl"), DataLedger(tmp_path / "l.jsonl")
    other.refresh()
    assert not other.is_set_aside("a.mp4", 5)
    one.add(bad("a.mp4"))
    other.refresh()
    assert other.is_set_aside("a.mp4", 0) and other.entries == {"a.mp4": bad("a.mp4")}
    other.add(bad("a.mp4"))
    other.add(bad("b/ü.mp4", "silent", 7))
    one.refresh()
    assert one.reasons() == {"a.mp4": "is changed", "b/ü.mp4": "is silent"}
    assert len((tmp_path / "l.jsonl").read_text().splitlines()) == 2


def test_a_file_is_named_once_whoever_comes_first(tmp_path):
    context = multiprocessing.get_context("fork")

    def add_all(turn):
        ledger = DataLedger(tmp_path / "l.jsonl")
        for number in range(20):
            ledger.add(bad(f"{(number + turn) % 20}.mp4"))

    processes = [context.Process(target=add_all, args=(5 * turn,)) for turn in range(4)]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
        assert each.exitcode == 0
    names = [json.loads(line)["path"] for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert sorted(names) == sorted(f"{number}.mp4" for number in range(20))


def test_from_where_on_a_file_is_not_asked_for():
    ledger = DataLedger(None)
    for entry in (bad("changed"), bad("silent", "silent", 50), bad("deadly", "deadly", 200), bad("no", "deadly", None)):
        ledger.add(entry)
    training = {name: [ledger.is_set_aside(name, p) for p in (0, 50, 200)] for name in ledger.entries}
    assert training == {
        "changed": [True, True, True],
        "silent": [False, True, True],
        "deadly": [False, False, True],
        "no": [False, False, False],
    }
    assert [ledger.is_set_aside(name, None) for name in ledger.entries] == [True, True, False, False]


def test_the_earliest_failure_counts(tmp_path):
    ledger = DataLedger(tmp_path / "l.jsonl")
    for since in (300, 100, 200):
        ledger.add(bad("a", "undecodable", since))
    again = DataLedger(tmp_path / "l.jsonl")
    again.refresh()
    assert again.entries["a"].from_position == ledger.entries["a"].from_position == 100


@pytest.mark.parametrize("torn", ['{"path": "half', '{"path": "x"}\n', "\xff\n", "null\n"])
def test_lines_that_are_none_are_passed_over(tmp_path, torn):
    path = tmp_path / "l.jsonl"
    DataLedger(path).add(bad("a"))
    with path.open("a", encoding="latin-1") as file:
        file.write(torn)
    ledger = DataLedger(path)
    ledger.add(bad("b"))
    ledger.refresh()
    again = DataLedger(path)
    again.refresh()
    assert list(again.entries) == list(ledger.entries) == ["a", "b"]


def test_a_line_that_is_taken_out_brings_its_file_back(tmp_path):
    path = tmp_path / "l.jsonl"
    ledger = DataLedger(path)
    for name in "abc":
        ledger.add(bad(name))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    ledger.refresh()
    assert list(ledger.entries) == ["b", "c"]


def test_a_ledger_that_cannot_be_written_stops_nothing(tmp_path):
    ledger = DataLedger(tmp_path / "no such folder" / "l.jsonl")
    with pytest.warns(UserWarning, match=r"cannot be written, No such file or directory; a\.mp4 is bad"):
        ledger.add(bad("a.mp4"))
    assert ledger.is_set_aside("a.mp4", 0)


def test_too_many_are_told_in_one_line(tmp_path):
    ledger = DataLedger(tmp_path / "l.jsonl")
    for number in range(5):
        ledger.add(bad(f"{number}.mp4"))
    ledger.check_share(100, 0.05)
    with pytest.raises(TooManyBadFilesError) as caught:
        ledger.check_share(99, 0.05)
    message = str(caught.value)
    assert "\n" not in message and "5 of 99 videos" in message and "max_bad_share=0.05" in message
    assert "0.mp4 (is changed), 1.mp4 (is changed), 2.mp4 (is changed) and 2 more" in message
    assert str(tmp_path / "l.jsonl") in message
