"""Lists of images: what is wrong with one is said by its line, before anything is read."""

import json

import pytest

from pipeline.data.sources import open_source
from pipeline.errors import DataError, ImageRejected
from tests.pipeline.data.corpus import RAMP, png


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(png(RAMP))
    (tmp_path / "sub" / "b.png").write_bytes(png(RAMP + 1))
    return tmp_path


def listed(source):
    return [(item.name, item.known_class, item.split) for item in source]


def test_csv_with_all_columns_in_any_order(folder):
    (folder / "sub" / "list.csv").write_text(
        '\ufeffSplit,label,path\ntrain,cat,../a.png\nval,"dog, small",b.png\n\n,,"missing.png"\n', encoding="utf-8"
    )
    source = open_source(folder / "sub" / "list.csv")
    assert listed(source) == [
        ("../a.png", "cat", "pool"), ("b.png", "dog, small", "validation"), ("missing.png", None, None),
    ]  # fmt: skip
    assert (source.classes, len(source)) == (("cat", "dog, small"), 3)
    first, second, third = source
    assert first.load() == png(RAMP)
    assert first.path == folder / "a.png"
    assert second.load() == png(RAMP + 1)
    with pytest.raises(ImageRejected, match="no such file"):
        third.load()


def test_tsv_and_absolute_paths(folder):
    (folder / "list.tsv").write_text(f"path\tlabel\n{folder / 'a.png'}\tx, y\n")
    (item,) = open_source(folder / "list.tsv")
    assert (item.known_class, item.load()) == ("x, y", png(RAMP))


def test_json_lines(folder):
    lines = [{"path": "a.png", "label": 7, "split": "test"}, {"path": "sub/b.png"}, {"path": "a.png", "label": None}]
    (folder / "list.jsonl").write_text("\n\n".join(json.dumps(line) for line in lines))
    assert listed(open_source(folder / "list.jsonl")) == [
        ("a.png", "7", "test"), ("sub/b.png", None, None), ("a.png", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.csv", "", r"x\.csv, line 1, got nothing"),
        ("x.csv", "file,label\na.png,cat\n", r"columns path.*line 1, got file, label"),
        ("x.csv", "path,label,weight\na.png,cat,3\n", "line 1, got path, label, weight"),
        ("x.csv", "path,path\na,b\n", "line 1"),
        ("x.csv", "path\n", "got none"),
        ("x.csv", "path,split\na.png,test\nb.png,tset\n", r"line 3, got 'tset'"),
        ("x.csv", "path,label\na.png,cat\nb.png\n", r"2 cells in x\.csv, line 3, got 1"),
        ("x.csv", "path\na.png,b\n", "1 cells"),
        ("x.csv", "path,label\n,cat\n", "path in x.csv, line 2"),
        ("x.csv", 'path,label\n"a.png,cat\n', "line 2"),
        ("x.csv", "path,label\na.png,ca\tt\n", "class name.*line 2"),
        ("x.csv", b"path,label\na.png,caf\xe9\n", "UTF-8"),
        ("x.jsonl", "[1]\n", "JSON object.*line 1"),
        ("x.jsonl", '{"path": "a.png"}\n{"path": \n', "line 2"),
        ("x.jsonl", '{"path": "a.png", "path": "b.png"}\n', "line 1"),
        ("x.jsonl", '{"path": "a.png", "class": "b"}\n', "got path, class"),
        ("x.jsonl", '{"path": ["a.png"]}\n', "expected text as 'path'"),
        ("x.jsonl", '{"path": "a.png", "label": true}\n', "expected text as 'label'"),
        ("x.jsonl", '{"path": "a.png", "label": NaN}\n', "expected text as 'label'"),
        ("x.jsonl", '{"path": "a.png", "split": 3}\n', "got '3'"),
        ("x.jsonl", "{}\n", "got nothing"),
        ("x.jsonl", "[" * 100_000 + "\n", "line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, text, reason):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=reason) as caught:
        open_source(tmp_path / name)
    assert len(str(caught.value)) < 400


def test_a_nul_in_a_path_spoils_its_own_line_alone(folder):
    (folder / "x.jsonl").write_text('{"path": "a\\u0000.png"}\n{"path": "a.png"}\n')
    bad, good = open_source(folder / "x.jsonl")
    with pytest.raises(ImageRejected, match="character"):
        bad.load()
    assert good.load() == png(RAMP)
