#!/usr/bin/env bash
# Sees to the two parts of the test suite that are not Python packages: a browser and PostgreSQL's binaries.
# As root they are installed; otherwise one line says what to install, and their tests are skipped with a reason.
set -euo pipefail
venv=$1

has_browser() {
    [ -n "${BORDERLINE_CHROMIUM:-}" ] && return 0
    # Ubuntu's chromium package is a stub that wants snap: ask for a version, not only for a file.
    local name
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1 && return 0
    done
    ls "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium*/ >/dev/null 2>&1
}
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

missing=()
has_browser || missing+=(chromium)
has_postgresql || missing+=(postgresql)
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests: ${missing[*]} ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || true
    has_browser || "$venv/bin/playwright" install --with-deps chromium >/dev/null || true
else
    has_browser || "$venv/bin/playwright" install chromium >/dev/null 2>&1 || true
fi
has_browser || echo "No browser: its tests are skipped; do: sudo apt-get install chromium" >&2
has_postgresql || echo "No PostgreSQL: its tests are skipped; do: sudo apt-get install postgresql" >&2
