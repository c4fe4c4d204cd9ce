# Borderline as an image: what is installed is what the locks say, hash by hash; no compiler, no tests, not root.
# The one image serves with and without a GPU: torch comes from PyPI with its CUDA libraries (about 7 GB in all).

FROM ghcr.io/astral-sh/uv:0.13.0 AS uv

FROM python:3.11.15-slim-trixie AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
WORKDIR /src
# The dependencies first: this layer stays while only our own code changes
COPY deploy/runtime.lock deploy/build.lock deploy/
RUN uv venv /opt/borderline && uv venv /opt/build \
    && VIRTUAL_ENV=/opt/borderline uv pip install --require-hashes --compile-bytecode -r deploy/runtime.lock \
    && VIRTUAL_ENV=/opt/build uv pip install --require-hashes -r deploy/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY db db
COPY flows flows
COPY labeler_ui labeler_ui
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /tmp/wheel \
    && VIRTUAL_ENV=/opt/borderline uv pip install --no-deps --no-index --compile-bytecode /tmp/wheel/borderline-*.whl

FROM python:3.11.15-slim-trixie AS runtime
RUN groupadd --gid 10001 borderline \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin borderline \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/borderline /var/lib/prefect /srv/backups
COPY --from=build /opt/borderline /opt/borderline
ENV PATH=/opt/borderline/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RAY_USAGE_STATS_ENABLED=0
USER 10001:10001
CMD ["borderline", "--help"]
