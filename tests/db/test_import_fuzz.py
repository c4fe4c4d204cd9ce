"""Readers of labels against any bytes and any JSON: what cannot be read is refused, and nothing else happens (T17)."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import exchange
from db.errors import InvalidInput

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("cat"))
KEYS = st.one_of(
    st.sampled_from(["id", "data", "image", "annotations", "predictions", "result", "type", "value", "choices"]),
    st.sampled_from(["images", "categories", "image_id", "category_id", "name", "class", "choice", "was_cancelled"]),
    st.sampled_from(["sha256", "sample_id", "file_name"]),
)
TREES = st.recursive(
    SCALARS, lambda more: st.one_of(st.lists(more, max_size=4), st.dictionaries(KEYS, more, max_size=5)), max_leaves=25
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=TREES, format=st.sampled_from(["auto", "label-studio", "coco"]))
def test_any_document_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, tree: object, format: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    try_to_read(path, format)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300), format=st.sampled_from(["csv", "jsonl", "parquet", "label-studio", "coco"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, format: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.bin"
    heads = {"csv": b"class,name\n", "jsonl": b'{"class":"a","name":"b"}\n', "parquet": b"PAR1", "coco": b"{"}
    for head in (b"", heads.get(format, b"[")):
        path.write_bytes(head + content + (b"PAR1" if format == "parquet" else b""))
        try_to_read(path, format)


@cache
def parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"class": ["cat", "dog"] * 20, "name": [f"{n}.png" for n in range(40)]}), buffer)
    return buffer.getvalue()


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_damaged_parquet_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.parquet"
    content = bytearray(parquet_bytes())
    content[at % len(content)] = value
    path.write_bytes(content)
    try_to_read(path, "parquet")


def try_to_read(path: Path, format: str) -> None:
    """Nothing but `InvalidInput` may come of a file, and what is read fits the store."""
    try:
        found = exchange.read_labels(path, format)
    except InvalidInput:
        return
    for label in found.labels:
        assert label.class_name.encode()
        assert label.sha256 or label.sample_id or label.name
