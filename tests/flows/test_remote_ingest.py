"""Images of a bucket in a project: bad ones named, a killed reading taken up, keys and strange addresses refused."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db import commands, samples
from db.errors import InvalidInput
from db.inputs import listed_url
from db.tables import SampleRow
from flows.ingest import IngestOptions, ingest_source
from flows.page_sources import require_allowed
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import Store
from tests.flows.conftest import make_project
from tests.s3 import Bucket, s3_bucket

QUIET = SilentReporter()


def picture(shade: int, path: Path) -> bytes:
    pixels = np.random.default_rng(shade).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    folder = tmp_path_factory.mktemp("made")
    with s3_bucket() as made:
        for number in range(12):
            kind = "robin" if number % 2 else "wren"
            made.put(f"birds/{kind}/{number}.png", data=picture(number, folder / "one.png"))
        made.put("birds/wren/broken.png", data=picture(1, folder / "one.png")[:-200])
        made.put("birds/wren/named.jpg", data=picture(77, folder / "one.png"))
        yield made


@pytest.fixture
def project_id(store: Store) -> int:
    return make_project(store, "birds", classes=("robin", "wren"), channels=3, image_size=16).id


def test_a_bucket_is_read_like_a_folder_and_nothing_is_registered_as_a_local_file(
    store: Store, project_id: int, bucket: Bucket
) -> None:
    url = f"s3://{bucket.name}/birds"
    report = ingest_source(store, project_id, url, IngestOptions(), QUIET)
    assert (report.added, report.labeled) == (13, 13)
    [(name, reason)] = report.rejected
    assert name == f"{url}/wren/broken.png"
    assert "cut off" in reason or "damaged" in reason
    assert report.notes["named .jpg but it is a PNG file"] == 1
    rows = store.database.read(lambda session: session.scalars(select(SampleRow)).all())
    assert {row.name for row in rows} > {f"{url}/robin/1.png", f"{url}/wren/0.png"}
    assert {row.source_path for row in rows} == {None}
    again = ingest_source(store, project_id, url, IngestOptions(), QUIET)
    assert (again.added, again.already) == (0, 13)


def test_copies_of_the_files_are_taken_in_if_asked(store: Store, project_id: int, bucket: Bucket) -> None:
    ingest_source(
        store, project_id, f"s3://{bucket.name}/birds/robin", IngestOptions(labels="ignore", copy=True), QUIET
    )
    originals = store.settings.project_folder(project_id, "originals")
    assert len([path for path in originals.rglob("*") if path.is_file()]) == 6


KILLED = """
import os, signal, sys
from functools import partial
from flows import ingest
from flows.report import SilentReporter
from flows.store import open_store
ingest.prepare_shards = partial(ingest.prepare_shards, max_images=4)
class Kill(SilentReporter):
    def progress(self, done, total, message):
        if done >= 8:
            os.kill(os.getpid(), signal.SIGKILL)
with open_store(system=True) as store:
    ingest.ingest_source(store, int(sys.argv[1]), sys.argv[2], ingest.IngestOptions(), Kill())
"""


def test_a_killed_reading_goes_on(store: Store, project_id: int, bucket: Bucket) -> None:
    url = f"s3://{bucket.name}/birds"
    done = subprocess.run([sys.executable, "-c", KILLED, str(project_id), url], check=False)
    assert done.returncode == -signal.SIGKILL
    there = samples.counts(store.database, project_id).pool
    assert 0 < there < 13
    report = ingest_source(store, project_id, url, IngestOptions(), QUIET)
    assert (report.added, report.already, len(report.rejected)) == (13 - there, there, 1)


def test_the_command_refuses_a_key_in_the_url(run: object, store: Store, project_id: int, bucket: Bucket) -> None:
    said = run("ingest", "birds", f"s3://AKIAME:verysecret@{bucket.name}/birds")
    assert said.code == 2
    assert "credentials" in said.err
    assert "verysecret" not in said.err + said.out
    assert run("ingest", "birds", f"s3://{bucket.name}/birds/robin").code == 0


@pytest.mark.parametrize("url", [
    "s3://other/birds", "s3://pictures-evil/birds", "s3://pictures/birds-too", "http://169.254.169.254/latest",
    "s3://me:key@pictures/birds", "s3://pictures/birds/../private", "s3://pictures/birds?a=b", "memory://x",
    "file:///etc", "S3://pictures/birds", "zip://a::s3://pictures/birds", "s3://pictures/birds/a\nb",
])  # fmt: skip
def test_a_page_may_name_listed_urls_alone(settings: Settings, url: str) -> None:
    """Threat T1: a page that sends this machine to any address would reach what only this machine can reach."""
    kept = settings.model_copy(update={"ingest_remote": "s3://pictures/birds/, gs://more"})
    for allowed in ("s3://pictures/birds", "s3://pictures/birds/robin", "gs://more/x"):
        require_allowed(kept, allowed)
        with pytest.raises(InvalidInput, match="none is named"):
            require_allowed(settings, allowed)
    with pytest.raises(InvalidInput, match="BORDERLINE_INGEST_REMOTE") as error:
        require_allowed(kept, url)
    assert url not in str(error.value)
    assert kept.environment()["BORDERLINE_INGEST_REMOTE"] == "s3://pictures/birds/, gs://more"


def test_what_is_listed_is_kept_as_it_will_be_read(store: Store, project_id: int) -> None:
    url = listed_url(" s3://pictures/birds/ ", ["s3://pictures"])
    wish = commands.post(store.database, store.actor, project_id, "ingest", {"source": url}, "one")
    assert wish.payload == {"source": "s3://pictures/birds"}
