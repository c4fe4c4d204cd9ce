"""One team's set-up for all tests here: its start takes longer than they do."""

from __future__ import annotations

import concurrent.futures
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.compose.stack import Stack, stack
from tests.database_fixtures import binaries
from tests.support import require

IMAGES = 120
BATCH = 5


@pytest.fixture(scope="session")
def team() -> Iterator[Stack]:
    """Databases, tables, and every lasting service but the GPU's, started in the order that the file asks for."""
    require(binaries(), "no PostgreSQL binaries; install the package postgresql")
    with stack() as made:
        made.start("prefect")  # the slowest; it needs the database alone
        with concurrent.futures.ThreadPoolExecutor() as several:
            migrations = [several.submit(made.run, "migrate") for _ in range(2)]
        for migration in migrations:
            ended = migration.result()
            assert ended.returncode == 0, ended.stderr
            assert re.search(
                r"connected to postgresql\S+:\*\*\*@\S+ \(schema 0\d+\): 0 projects, 0 labels", ended.stdout
            )
        made.start("page")
        for name in ("prefect", "page"):
            made.wait_until_healthy(name)
        made.start("worker")
        made.wait_until_healthy("worker")
        yield made


@pytest.fixture(scope="session")
def page(team: Stack) -> str:
    return f"http://127.0.0.1:{team.ports['8501']}"


@pytest.fixture(scope="session")
def token(team: Stack, page: str) -> str:
    """The first administrator, by the link in the home folder, and a token for a program of hers."""
    file = team.folder / "home" / "first-administrator.txt"
    link = file.read_text().split()[0]
    assert link.startswith(f"http://localhost:{team.ports['8501']}/join?token=")
    password = "correct horse battery staple"
    fields = {"token": link.partition("token=")[2], "name": "ada", "password": password, "again": password}
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())  # she is led on to the first page
    form = urllib.request.Request(f"{page}/join", urllib.parse.urlencode(fields).encode(), {"Origin": page})
    with browser.open(form, timeout=60) as response:
        assert response.url == f"{page}/"
    assert not file.exists()
    made = team.run("worker", "borderline", "token", "create", "robot", "--user", "ada", "--json")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["secret"])


@pytest.fixture(scope="session")
def project(team: Stack, token: str) -> int:
    """Digits in a folder that the services may only read."""
    digits = load_digits()
    for place in range(IMAGES):
        pixels = np.round(digits.images[place] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(team.folder / "images" / f"{place:03}.png")
    classes = ",".join("0123456789")
    said = team.run(
        *("worker", "borderline", "project", "create", "digits", "--classes", classes, "--image-size", "16"),
        *("--model", "lenet5", "--recipe", "quick", "--strategy", "margin", "--cold-start", "random_sampling"),
        *("--batch", str(BATCH), "--reserve", str(BATCH), "--holdout", "0"),
    )
    assert said.returncode == 0, said.stderr
    said = team.run("worker", "borderline", "ingest", "digits", "/images")
    assert said.returncode == 0, said.stderr
    assert f"{IMAGES} images added" in said.stdout
    return int(team.rows("SELECT id FROM projects WHERE name = 'digits'")[0][0])
