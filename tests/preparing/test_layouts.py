"""What each layout says of small files of exactly that layout; nothing is decoded here."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preparing.entries import SourceError
from preparing.layouts import layout_of, read_source
from video_io.reading import VIDEO_EXTENSIONS


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def picture(path: Path, width: int = 8, height: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", (width, height), (255, 0, 0, 255)).save(path, format="PNG")


def seen(source):
    return [(entry.path, entry.label, entry.split) for entry in source.entries]


def test_folders_are_classes(tmp_path):
    source = read_source(touch(tmp_path, "run/b.mp4", "run/deep/a.MKV", "jump/c.avi", "run/notes.txt", ".hidden/d.mp4"))
    assert seen(source) == [("jump/c.avi", "jump", None), ("run/b.mp4", "run", None), ("run/deep/a.MKV", "run", None)]
    assert source.class_names == ("jump", "run")
    assert source.passed_over == ("run/notes.txt: is none of " + ", ".join(VIDEO_EXTENSIONS),)
    assert seen(read_source(touch(tmp_path / "flat", "a.mp4"))) == [("a.mp4", None, None)]


def test_videos_beside_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="lie beside the class folders"):
        read_source(touch(tmp_path, "a.mp4", "run/b.mp4"))


def test_lists(tmp_path):
    table = tmp_path / "list.csv"
    lines = ["path,label,caption,start,end", 'a.mp4,run,"one, runs",,', "b/c.mp4,,,1.5,3", "b/c.mp4,3,,4,"]
    table.write_text("\n".join(lines), "utf-8-sig")
    jsonl = tmp_path / "list.jsonl"
    rows = [
        {"path": "a.mp4", "label": "run", "caption": "one, runs"},
        {"path": "b/c.mp4", "start": 1.5, "end": 3},
        {"path": "./b/c.mp4", "label": 3, "start": 4},
    ]
    jsonl.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    source = read_source(table)
    assert source == read_source(jsonl) and source.root == tmp_path
    assert [(e.file, e.label, e.caption, e.start, e.stop, e.in_seconds) for e in source.entries] == [
        ("a.mp4", "run", "one, runs", 0, None, False),
        ("b/c.mp4", None, None, 1.5, 3, True),
        ("b/c.mp4", "3", None, 4, None, True),
    ]


@pytest.mark.parametrize("caption", ["two\nlines", "two\r\nlines", "next\x85line", "a\u2028b", 'a "b", c', "日本 🎬"])
def test_captions_stay_as_they_are(tmp_path, caption):
    with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "caption"), ("a.mp4", caption), ("b.mp4", "x")])
    lines = [json.dumps({"path": "a.mp4", "caption": caption}, ensure_ascii=False), '{"path": "b.mp4", "caption": "x"}']
    (tmp_path / "list.jsonl").write_bytes("\n".join(lines).encode())
    for name in ("list.csv", "list.jsonl"):
        assert [entry.caption for entry in read_source(tmp_path / name).entries] == [caption, "x"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "file,label\na.mp4,x\n", "the first line must name the columns"),
        ("a.csv", "path,lable\na.mp4,x\n", "line 2: there is no field 'lable'; did you mean 'label'"),
        ("a.csv", "path,label\na.mp4\n", "line 2: has not as many fields"),
        ("a.csv", "path,label\na.mp4,b,c\n", "line 2: has not as many fields"),
        ("a.csv", "path\na.mp4\n../b.mp4\n", "line 3: ../b.mp4 leads out of the list's folder"),
        ("a.csv", "path\n/etc/b.mp4\n", "leads out of"),
        ("a.csv", "path\nx/../../b.mp4\n", "leads out of"),
        ("a.csv", "path,start,end\na.mp4,5,2\n", "ends at 2 s, before it starts"),
        ("a.csv", "path,start\na.mp4,-1\n", "start must be seconds, at least 0, not '-1'"),
        ("a.csv", "path,start\na.mp4,soon\n", "start must be seconds, at least 0, not 'soon'"),
        ("a.csv", "path,end\na.mp4,nan\n", "end must be seconds"),
        ("a.csv", "path\na.mp4\na.mp4\n", "the same line for a.mp4 twice"),
        ("a.csv", "path,label\n,x\n", "has no path"),
        ("a.jsonl", '{"path": "a.mp4"}\n{"path": \n', "line 2: is no JSON"),
        ("a.csv", 'path,caption\na.mp4,"no end\nb.mp4,x\n', "line 2: is no CSV (unexpected end of data)"),
        ("a.csv", "path,caption\na.mp4," + "x" * 200_000, "line 2: is no CSV (field larger than"),
        ("a.jsonl", '{"path": "a.mp4", "caption": "\\ud83d"}\n', "line 1: caption has half a character"),
        ("a.jsonl", '["a.mp4"]\n', "line 1: must be an object"),
        ("a.jsonl", '{"path": ["a.mp4"]}\n', "line 1: path must be text"),
        ("a.jsonl", '{"path": "a.mp4", "start": true, "end": {}}\n', "end must be seconds"),
    ],
)
def test_mistakes_in_lists_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError) as error:
        read_source(tmp_path / name)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_list_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("path\nvidéo.mp4\n".encode("latin-1"))
    with pytest.raises(SourceError, match="is not UTF-8"):
        read_source(tmp_path / "a.csv")


def an_ucf101(root: Path) -> Path:
    videos = [
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
        "HandstandPushups/v_HandStandPushups_g01_c01.avi",
        "HandstandPushups/v_HandStandPushups_g08_c01.avi",
        "YoYo/v_YoYo_g09_c09.avi",
    ]
    touch(root / "UCF-101", *videos)
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 ApplyEyeMakeup\n37 HandstandPushups\n101 YoYo\n")
    for number, (train, test) in enumerate([("g08", "g01"), ("g01", "g08"), ("g08", "g01")], 1):
        (lists / f"trainlist0{number}.txt").write_text(
            f"ApplyEyeMakeup/v_ApplyEyeMakeup_{train}_c01.avi 1\r\n"
            f"HandStandPushups/v_HandStandPushups_{train}_c01.avi 37\r\n"
        )
        (lists / f"testlist0{number}.txt").write_text(
            f"ApplyEyeMakeup/v_ApplyEyeMakeup_{test}_c01.avi\r\nHandstandPushups/v_HandstandPushups_{test}_c01.avi\r\n"
        )
    return root


@pytest.mark.parametrize(("number", "train", "test"), [(1, "g08", "g01"), (2, "g01", "g08"), (3, "g08", "g01")])
def test_ucf101(tmp_path, number, train, test):
    source = read_source(an_ucf101(tmp_path), ucf_list=number)
    assert seen(source) == [
        (f"UCF-101/{folder}/v_{name}_{group}_c01.avi", folder, split)
        for split, group in (("train", train), ("test", test))
        for folder, name in (("ApplyEyeMakeup", "ApplyEyeMakeup"), ("HandstandPushups", "HandStandPushups"))
    ]
    assert source.passed_over == (f"UCF-101/YoYo/v_YoYo_g09_c09.avi: is in neither list {number}",)
    assert all((tmp_path / entry.file).exists() for entry in source.entries)


def test_ucf101_without_a_list_or_a_video(tmp_path):
    an_ucf101(tmp_path)
    gone = "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi"
    (tmp_path / gone).unlink()
    assert read_source(tmp_path).entries[0].file == "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi"  # refused later
    (tmp_path / "ucfTrainTestlist" / "trainlist01.txt").write_text("NoClass/v_NoClass_g01_c01.avi 1\n")
    with pytest.raises(SourceError, match=r"trainlist01.txt, line 1: .* is of no class"):
        read_source(tmp_path)
    (tmp_path / "ucfTrainTestlist" / "trainlist01.txt").unlink()
    with pytest.raises(SourceError, match=r"trainlist01.txt: no such list"):
        read_source(tmp_path)


KTH = """Training:   person11, 12, 13, 14, 15, 16, 17, 18
Frames are given as

person01_boxing_d1\t\tframes\t1-95, 96-185,  186-245, 246-360
person21_boxing_d1\t\tframes\t1-2
person13_handclapping_d3\t*missing*
person20_running_d4\t\tframes\t26-60, 102-132
"""


def test_kth(tmp_path):
    names = ("person01_boxing_d1", "person21_boxing_d1", "person20_running_d4", "person25_walking_d1")
    touch(tmp_path, *(f"{name.split('_')[1]}/{name}_uncomp.avi" for name in names))
    (tmp_path / "00sequences.txt").write_text(KTH)
    source = read_source(tmp_path)
    one = "boxing/person01_boxing_d1_uncomp.avi"
    assert [(e.file, e.label, e.split, e.start, e.stop, e.in_seconds) for e in source.entries] == [
        *((one, "boxing", "train", a, b, False) for a, b in ((0, 95), (95, 185), (185, 245), (245, 360))),
        ("boxing/person21_boxing_d1_uncomp.avi", "boxing", "test", 0, 2, False),
        ("running/person20_running_d4_uncomp.avi", "running", "train", 25, 60, False),
        ("running/person20_running_d4_uncomp.avi", "running", "train", 101, 132, False),
    ]
    assert source.passed_over == ("walking/person25_walking_d1_uncomp.avi: is not in 00sequences.txt",)
    (tmp_path / "00sequences.txt").write_text("person01_boxing_d1 frames 5-2\n")
    with pytest.raises(SourceError, match=r"line 1: '5-2' is no range"):
        read_source(tmp_path)
    (tmp_path / "00sequences.txt").write_text("nothing\n")
    with pytest.raises(SourceError, match="names no action"):
        read_source(tmp_path)


def test_strips(tmp_path):
    picture(tmp_path / "0" / "00000001.jpg", 64, 8)
    picture(tmp_path / "4" / "00000002.jpg", 8, 64)
    with pytest.raises(SourceError, match="--layout strips if each picture"):
        layout_of(tmp_path)
    source = read_source(tmp_path, "strips")
    assert seen(source) == [("0/00000001.jpg", "0", None), ("4/00000002.jpg", "4", None)]


def test_frame_folders(tmp_path):
    for name in ("sky/v2/10.png", "sky/v2/9.png", "sea/v1/1.png"):
        picture(tmp_path / "a" / name)
    assert seen(read_source(tmp_path / "a", "frame_folders")) == [("sea/v1", "sea", None), ("sky/v2", "sky", None)]
    picture(tmp_path / "b" / "v1" / "1.png")
    assert seen(read_source(tmp_path / "b", "frame_folders")) == [("v1", None, None)]
    assert seen(read_source(tmp_path / "b" / "v1", "frame_folders")) == [("v1", None, None)]


def test_frame_zips(tmp_path):
    picture(tmp_path / "frame.png")
    for name, members in (
        ("flat.zip", ["sky/00001/0.jpg", "sky/00001/1.jpg", "sky/00002/0.jpg", "dataset.json", "__MACOSX/sky/x/0.jpg"]),
        ("classes.zip", ["d/run/v1/0.jpg", "d/jump/v2/0.jpg"]),
    ):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.write(tmp_path / "frame.png", member)
    assert seen(read_source(tmp_path / "flat.zip")) == [
        ("flat.zip/sky/00001", None, None),
        ("flat.zip/sky/00002", None, None),
    ]
    assert seen(read_source(tmp_path / "classes.zip")) == [
        ("classes.zip/d/jump/v2", "jump", None),
        ("classes.zip/d/run/v1", "run", None),
    ]
    (tmp_path / "no.zip").write_text("no zip")
    with pytest.raises(SourceError, match="cannot be read as a zip"):
        read_source(tmp_path / "no.zip")


def test_moving_mnist(tmp_path):
    np.save(tmp_path / "mnist_test_seq.npy", np.zeros((20, 3, 64, 64), np.uint8))
    assert seen(read_source(tmp_path / "mnist_test_seq.npy")) == [
        (f"mnist_test_seq.npy/{index}", None, "test") for index in range(3)
    ]
    np.save(tmp_path / "other.npy", np.zeros((20, 3, 64, 64), np.float32))
    with pytest.raises(SourceError, match="an array float32"):
        read_source(tmp_path / "other.npy")
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(SourceError):
        read_source(tmp_path / "pickled.npy")


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(SourceError, match="this kind of file is none of"):
        read_source(touch(tmp_path, "a.mp4") / "a.mp4")
