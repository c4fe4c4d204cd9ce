"""A file is there whole or not at all, and a changed byte is noticed."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.errors import FileDamaged
from pipeline.files import FileRecord, atomic_write, atomic_write_bytes, check_file, sha256_file

REPOSITORY = Path(__file__).parents[2]


def test_a_write_gives_the_hash_and_size_of_what_lies_there(tmp_path):
    record = atomic_write_bytes(tmp_path / "a" / "b" / "x.bin", b"hello")
    assert record == FileRecord(tmp_path / "a" / "b" / "x.bin", hashlib.sha256(b"hello").hexdigest(), 5)
    assert record.path.read_bytes() == b"hello"
    check_file(record.path, record.sha256)


def test_a_writer_that_seeks_back_gets_the_hash_of_the_finished_bytes(tmp_path):
    def writer(file):
        file.write(b"0000rest")
        file.seek(0)
        file.write(b"head")

    record = atomic_write(tmp_path / "x", writer)
    assert record.path.read_bytes() == b"headrest"
    assert record.sha256 == sha256_file(record.path)
    assert record.size == 8


def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x"
    atomic_write_bytes(path, b"old")

    def writer(file):
        file.write(b"new")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError):
        atomic_write(path, writer)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_changed_or_missing_file_is_noticed(tmp_path):
    record = atomic_write_bytes(tmp_path / "x", b"hello")
    record.path.write_bytes(b"hellp")
    with pytest.raises(FileDamaged, match="changed or damaged"):
        check_file(record.path, record.sha256)
    with pytest.raises(FileDamaged, match="readable file"):
        check_file(tmp_path / "missing", record.sha256)


def test_data_reaches_the_disk_before_the_name_and_the_name_after(tmp_path, monkeypatch):
    """A power cut after the rename must not leave a name without bytes: fsync file, rename, fsync folder."""
    calls = []
    fsync, replace = os.fsync, Path.replace
    kind = {True: "folder", False: "file"}
    monkeypatch.setattr(os, "fsync", lambda d: (calls.append(kind[Path(f"/proc/self/fd/{d}").is_dir()]), fsync(d)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    atomic_write_bytes(tmp_path / "x", b"hello")
    assert calls == ["file", "rename", "folder"]


def test_readers_see_one_whole_version_or_the_other(tmp_path):
    path = tmp_path / "x"
    versions = {b"a" * 300_000, b"b" * 300_000}
    atomic_write_bytes(path, b"a" * 300_000)
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for version in sorted(versions) * 10:
        atomic_write_bytes(path, version)
    stop.set()
    reader.join()
    assert seen <= versions


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    atomic_write_bytes(path, b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from pipeline.files import atomic_write\n"
        "def writer(file):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic_write(Path(sys.argv[1]), writer)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], cwd=REPOSITORY, check=False)
    assert result.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_a_written_file_has_the_usual_rights(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert atomic_write_bytes(tmp_path / "x", b"").path.stat().st_mode == plain.stat().st_mode
