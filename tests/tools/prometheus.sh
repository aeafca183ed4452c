#!/usr/bin/env bash
# prometheus.sh: unpack Debian's Prometheus and Alertmanager into .build/prometheus; nothing is installed and no service is started.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ ! -x .build/prometheus/usr/bin/promtool ] || exit 0
command -v apt-get >/dev/null || { echo "Only Debian and Ubuntu are set up automatically: put prometheus and promtool into .build/prometheus/usr/bin." >&2; exit 1; }
echo "==> unpacking Prometheus and Alertmanager into .build/prometheus"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && { apt-get download -q prometheus prometheus-alertmanager || { apt-get update -qq && apt-get download -q prometheus prometheus-alertmanager; }; }) >"$work/log" 2>&1 \
  || { cat "$work/log" >&2; exit 1; }
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
mkdir -p .build/prometheus/usr
mv "$work/unpacked/usr/bin" .build/prometheus/usr/bin
