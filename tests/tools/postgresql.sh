#!/usr/bin/env bash
# Install PostgreSQL's programs where they are missing; no server is started: the tests start their own.
set -euo pipefail
cd "$(dirname "$0")"

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  ./packages.sh postgresql-common
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
./packages.sh postgresql postgresql-client
