#!/usr/bin/env bash
# Makes the passwords that are missing, one random line a file; those that are there stay. Readable by one group only.
#
#   sudo deploy/make_secrets.sh                          # ./secrets for docker compose: group 10001
#   sudo deploy/make_secrets.sh /etc/borderline/secrets borderline
set -euo pipefail
folder=${1:-secrets}
group=${2:-10001}
(umask 022; mkdir -p "$(dirname "$folder")") # whoever reads a secret has to get there; a folder that is there stays
umask 077
mkdir -p "$folder"
for name in postgres_password database_password prefect_password prefect_database_password metrics_token; do
    file=$folder/$name
    [ -s "$file" ] && continue
    openssl rand -hex 32 > "$file"
    echo "made $file"
done
# No random one: the login provider gives it. Empty until then, because compose mounts no file that is not there
[ -e "$folder/oidc_client_secret" ] || : > "$folder/oidc_client_secret"
if [ "$(id -u)" = 0 ]; then
    chown -R "0:$group" "$folder"
    chmod 0750 "$folder"
    chmod 0440 "$folder"/*
else
    echo "kept for $(id -un) alone: run as root to let group $group read them" >&2
    chmod 0400 "$folder"/*
fi
