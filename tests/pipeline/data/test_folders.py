"""Folders of images as people have them: layouts, odd names, links, and files that are no images."""

import os

import numpy as np
import pytest

from pipeline.data.sources import open_source
from pipeline.data.sources.base import natural_key
from pipeline.errors import DataError, ImageRejected
from tests.pipeline.data.corpus import RAMP, png


def put(root, *names, data=None):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(RAMP) if data is None else data)


def listed(source):
    return [(item.name, item.known_class, item.split) for item in source]


def test_a_flat_folder_has_no_classes_and_a_natural_order(tmp_path):
    put(tmp_path, "img10.png", "img9.png", "IMG1.png", "a.jpeg")
    source = open_source(tmp_path)
    assert [item.name for item in source] == ["a.jpeg", "IMG1.png", "img9.png", "img10.png"]
    assert {item.known_class for item in source} == {item.split for item in source} == {None}
    assert (len(source), source.classes) == (4, ())
    assert next(iter(source)).load() == png(RAMP)
    assert next(iter(source)).path == tmp_path / "a.jpeg"


def test_class_folders_at_any_depth(tmp_path):
    put(tmp_path, "cat/1.png", "cat/more/2.png", "dog/1.png", "loose.png")
    source = open_source(str(tmp_path))
    assert source.classes == ("cat", "dog")
    assert listed(source) == [
        ("loose.png", None, None),
        ("cat/1.png", "cat", None),
        ("cat/more/2.png", "cat", None),
        ("dog/1.png", "dog", None),
    ]
    assert "2 classes" in source.description


def test_split_folders(tmp_path):
    put(tmp_path, "train/cat/1.png", "Valid/dog/2.png", "test/cat/3.png", "train/unlabeled.png")
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog")
    assert set(listed(source)) == {
        ("train/cat/1.png", "cat", "pool"),
        ("train/unlabeled.png", None, "pool"),
        ("Valid/dog/2.png", "dog", "validation"),
        ("test/cat/3.png", "cat", "test"),
    }


def test_a_class_that_is_called_train_is_a_class_beside_others(tmp_path):
    put(tmp_path, "train/1.png", "bus/1.png")
    assert open_source(tmp_path).classes == ("bus", "train")


def test_one_image_is_a_source(tmp_path):
    put(tmp_path, "a.png", "b.png")
    assert listed(open_source(tmp_path / "b.png")) == [("b.png", None, None)]


def test_hidden_files_and_litter_are_passed_over_and_side_files_are_named(tmp_path):
    put(tmp_path, "a.png", ".DS_Store", ".hidden/b.png", "Thumbs.db", "__MACOSX/c.png")
    put(tmp_path, "README.txt", data=b"no image")
    source = open_source(tmp_path)
    assert [item.name for item in source] == ["a.png", "README.txt"]
    with pytest.raises(ImageRejected, match=r"not an image but a \.txt file"):
        list(source)[1].load()


def test_a_side_file_is_not_even_opened(tmp_path):
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "log.txt")  # opening it would wait for a writer
    with pytest.raises(ImageRejected, match=r"\.txt"):
        list(open_source(tmp_path))[1].load()


def reason(source, name):
    with pytest.raises(ImageRejected) as caught:
        next(item for item in source if item.name == name).load()
    return caught.value.reason


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    put(tmp_path, "outside/secret.png", "root/a.png", "root-sibling/b.png")
    root = tmp_path / "root"
    (root / "file.png").symlink_to(tmp_path / "outside" / "secret.png")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "sibling.png").symlink_to("../root-sibling/b.png")  # its path starts like the root's
    (root / "dangling.png").symlink_to(tmp_path / "nothing")
    (root / "loop.png").symlink_to("loop.png")
    (root / "itself").symlink_to(".")
    (root / "inside.png").symlink_to("a.png")
    source = open_source(root)
    assert {item.name for item in source} == {path.name for path in root.iterdir()}
    for name in ("file.png", "folder", "sibling.png"):
        assert "leaves the folder" in reason(source, name)
    assert "leads nowhere" in reason(source, "dangling.png")
    assert "leads nowhere" in reason(source, "loop.png")
    assert "link to a folder" in reason(source, "itself")
    assert next(item for item in source if item.name == "inside.png").load() == png(RAMP)


def test_a_link_put_there_after_the_listing_is_not_followed_either(tmp_path):
    put(tmp_path, "outside.png", "root/a.png")
    source = open_source(tmp_path / "root")
    (tmp_path / "root" / "a.png").unlink()
    (tmp_path / "root" / "a.png").symlink_to(tmp_path / "outside.png")
    assert "leaves the folder" in reason(source, "a.png")


def test_a_folder_that_is_a_link_itself_is_what_was_asked_for(tmp_path):
    put(tmp_path, "real/a.png")
    (tmp_path / "link").symlink_to("real")
    assert next(iter(open_source(tmp_path / "link"))).load() == png(RAMP)


def test_pipes_vanished_and_giant_files_are_rejected_not_raised(tmp_path):
    put(tmp_path, "gone.png", "giant.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.truncate(tmp_path / "giant.png", 600 * 1024 * 1024)  # sparse: takes no space
    source = open_source(tmp_path)
    (tmp_path / "gone.png").unlink()
    assert reason(source, "gone.png") == "there is no such file"
    assert reason(source, "pipe.png") == "not a plain file"
    assert reason(source, "giant.png") == "it is 600 MB large; the limit is 512 MB"


ODD_NAMES = ["\u202egnp.exe.png", "CON.png", "a" * 200 + ".png", "a\nb.png", "$(touch x).png", "é.png"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_just_data(tmp_path, name):
    put(tmp_path, name)
    (item,) = open_source(tmp_path)
    assert item.name == name
    assert item.load() == png(RAMP)


def test_what_is_no_folder_of_images_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="empty folder"):
        open_source(tmp_path)
    (tmp_path / ".hidden").touch()
    with pytest.raises(DataError, match="empty folder"):
        open_source(tmp_path)
    put(tmp_path, "only/README.md", "only/cat/labels.csv", data=b"x")
    for path in (tmp_path / "only", tmp_path / "only" / "README.md"):
        with pytest.raises(DataError, match=r"expected images in .*, got (1|2) other files, such as"):
            open_source(path)
    with pytest.raises(DataError, match="none of them"):
        open_source(tmp_path / "missing")
    with pytest.raises(DataError, match="did you mean 'fashionmnist'"):
        open_source("fashionmist")
    with pytest.raises(DataError, match="expected a file or a folder"):
        open_source("x" * 5000)


def test_a_class_folder_that_cannot_be_a_name_is_an_error(tmp_path):
    put(tmp_path, "two\nlines/a.png")
    with pytest.raises(DataError, match="class name"):
        open_source(tmp_path)


def test_natural_order():
    names = ["x10y2", "x10y10", "x9", "X8", "", "10", "9", "a"]
    expected = ["", "9", "10", "a", "X8", "x9", "x10y2", "x10y10"]
    assert sorted(names, key=natural_key) == expected
    shuffled = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    assert sorted(shuffled, key=natural_key) == expected
