#!/usr/bin/env bash
# packages.sh PACKAGE...: install the Debian packages that are missing, saying so; silent when none is.
set -euo pipefail

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

missing=()
for package in "$@"; do installed "$package" || missing+=("$package"); done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || {
  echo "Missing on this machine: ${missing[*]}. Only Debian and Ubuntu are set up automatically: install them and run again." >&2
  exit 1
}
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "==> apt-get install ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -y "${missing[@]}")
# Package lists may be absent or stale on a new machine: refresh them only when the first try fails.
"${install[@]}" >"$log" 2>&1 </dev/null \
  || { "${as_root[@]}" apt-get update -qq && "${install[@]}"; } >"$log" 2>&1 </dev/null \
  || { cat "$log" >&2; echo "apt-get install ${missing[*]} failed: see above." >&2; exit 1; }
