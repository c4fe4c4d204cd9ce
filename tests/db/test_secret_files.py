"""Passwords out of files: what is taken, what is refused, and what is said about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from db.errors import SecretError
from db.secret_files import read_secret, with_password

SETTING = "BORDERLINE_DATABASE_PASSWORD_FILE"
ADDRESS = "postgresql://borderline@db.example.org:5433/labels"
HARD = "p@ss:w/ord%?#é'\" \\"


def secret_file(folder: Path, content: bytes, mode: int = 0o400) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_secret_is_one_line_of_a_closed_file(tmp_path: Path, end: bytes, mode: int) -> None:
    assert read_secret(secret_file(tmp_path, HARD.encode() + end, mode), SETTING) == HARD


@pytest.mark.parametrize("mode", [0o404, 0o444, 0o644, 0o420, 0o402, 0o401, 0o777])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, b"hunter2", mode)
    with pytest.raises(SecretError, match=rf"{SETTING}.*closed to others, got mode {mode:04o}; do: chmod 0400") as said:
        read_secret(path, SETTING)
    assert "hunter2" not in str(said.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"one\ntwo", b"a\x00b", b"x" * 5000])
def test_what_is_no_single_line_of_text_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SecretError, match=r"expected (one line|text)") as said:
        read_secret(secret_file(tmp_path, content), SETTING)
    assert "two" not in str(said.value)
    assert "xxx" not in str(said.value)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=rf"expected a secret in .*nowhere \({SETTING}\), got: No such file"):
        read_secret(tmp_path / "nowhere", SETTING)
    os.mkfifo(tmp_path / "pipe", 0o400)
    for path in (tmp_path, tmp_path / "pipe"):  # a pipe that nobody writes to must not hold up the start
        with pytest.raises(SecretError, match="plain file"):
            read_secret(path, SETTING)


def test_the_password_reaches_the_address_whatever_is_in_it(tmp_path: Path) -> None:
    address = with_password(ADDRESS, secret_file(tmp_path, HARD.encode()))
    assert address is not None
    found = make_url(address)
    assert found.password == HARD
    assert (found.host, found.port, found.username, found.database) == ("db.example.org", 5433, "borderline", "labels")


def test_without_a_file_the_address_stays() -> None:
    assert with_password(None, None) is None
    assert with_password(ADDRESS, "") == ADDRESS


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (None, "got nothing"),
        ("", "got nothing"),
        ("no address", "one that cannot be read"),
        ("postgresql://borderline:hunter2@db/labels", "a password in it"),
        ("postgresql://db/labels", "no user in it"),
        ("sqlite:////srv/labels.db", "no user in it"),
    ],
)
def test_an_address_that_a_password_does_not_go_with(tmp_path: Path, address: str | None, why: str) -> None:
    with pytest.raises(SecretError, match=rf"expected BORDERLINE_DATABASE_URL .*{why}") as said:
        with_password(address, secret_file(tmp_path, b"x"))
    assert "hunter2" not in str(said.value)
