#!/usr/bin/env bash
# Makes the virtual environment and installs the locked dependencies into it, checking every hash.
set -euo pipefail
venv=$1

find_python() {
    local name
    for name in "${PYTHON_FOR_VENV:-}" python3.11 python3.12 python3.13 python3; do
        [ -n "$name" ] && command -v "$name" >/dev/null || continue
        "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$name"; return; }
    done
    echo "expected Python 3.11 to 3.13, got none; do: sudo apt-get install python3 python3-venv" >&2
    return 1
}

python=$(find_python)
if [ ! -x "$venv/bin/python" ] || [ ! -x "$venv/bin/pip" ]; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        rm -rf "$venv"
        package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq --no-install-recommends "$package" >/dev/null
            "$python" -m venv "$venv"
        else
            echo "expected the venv module, got none; do: sudo apt-get install $package" >&2
            exit 1
        fi
    fi
fi
echo "Installing the locked packages (about 7 GB with the CUDA builds of torch; a minute or a few) ..."
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
VIRTUAL_ENV="$PWD/$venv" "$venv/bin/uv" pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
VIRTUAL_ENV="$PWD/$venv" "$venv/bin/uv" pip install --quiet --no-deps -e .
