#!/usr/bin/env bash
# Looks for known vulnerabilities in the locked packages, and first whether the scanner can see any at all.
#
# Without its advisories pip-audit says "No known vulnerabilities found" and ends with 0 (--strict: with 1, which looks
# like a finding). So a package with a hole that everybody knows is audited first; if it is not reported with its number,
# nothing that the scanner says means anything.
set -uo pipefail
venv=$1
lock=${2:-requirements.lock}
canary="jinja2==3.1.5"
known="CVE-2025-27516" # fixed in 3.1.6: the sandbox is left by the filter |attr

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
scan=("$venv/bin/pip-audit" --strict --disable-pip --progress-spinner off)

echo "$canary" >"$folder/canary.txt"
"${scan[@]}" --no-deps --format json -r "$folder/canary.txt" >"$folder/found.json" 2>"$folder/said.txt"
if ! grep -q "\"$known\"" "$folder/found.json"; then
    tail -n 3 "$folder/said.txt" >&2
    echo "audit: the scanner is blind here: it does not report $known in $canary; do: let it reach its advisories" \
        "(https://pypi.org, or PIP_AUDIT_VULNERABILITY_SERVICE=osv and PIP_AUDIT_OSV_URL)" >&2
    exit 3
fi
echo "audit: the scanner sees ($known in $canary); now $lock"
exec "${scan[@]}" --require-hashes -r "$lock"
