"""A server on this machine that speaks S3's protocol, with a bucket in it, and the environment that leads there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest

from tests.support import require


@dataclass
class Bucket:
    """A bucket of a server that can be stopped and started; what is in it stays."""

    server: Any
    port: int
    name: str
    client: Any

    def put(self, *keys: str, data: bytes) -> None:
        for key in keys:
            self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """Start a server, make a bucket, and let the environment lead every client there."""
    require(all(map(find_spec, ("s3fs", "moto"))), "s3fs and moto[server] are not installed")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    variables = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
                 "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        bucket = Bucket(server, port, f"pictures-{uuid.uuid4().hex[:8]}", boto3.client("s3"))  # moto forgets nothing
        bucket.client.create_bucket(Bucket=bucket.name)
        try:
            yield bucket
        finally:
            bucket.stop()
