#!/usr/bin/env bash
# Makes two databases with an owner each: the labels', and Prefect's own. Safe to run again: it then sets the passwords.
#
# In compose the postgres image runs it when its volume is new; without Docker: see docs/operations.md.
set -euo pipefail
for name in DATABASE_PASSWORD_FILE PREFECT_DATABASE_PASSWORD_FILE; do
    if [ ! -s "${!name:-}" ]; then
        echo "expected a password in the file that $name names, got '${!name:-}'; do: deploy/make_secrets.sh" >&2
        exit 1
    fi
done

# psql reads the files itself: a password in its arguments could be read by whoever lists processes
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set labels `cat "$DATABASE_PASSWORD_FILE"`
\set flows `cat "$PREFECT_DATABASE_PASSWORD_FILE"`
SET log_statement = 'none';
SELECT 'CREATE ROLE borderline' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'borderline') \gexec
SELECT 'CREATE ROLE prefect' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prefect') \gexec
ALTER ROLE borderline LOGIN PASSWORD :'labels';
ALTER ROLE prefect LOGIN PASSWORD :'flows';
SELECT 'CREATE DATABASE borderline OWNER borderline ENCODING ''UTF8'' TEMPLATE template0'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'borderline') \gexec
SELECT 'CREATE DATABASE prefect OWNER prefect ENCODING ''UTF8'' TEMPLATE template0'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefect') \gexec
REVOKE CONNECT ON DATABASE borderline FROM PUBLIC;
REVOKE CONNECT ON DATABASE prefect FROM PUBLIC;
SQL
