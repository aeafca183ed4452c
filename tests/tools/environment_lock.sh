#!/usr/bin/env bash
# environment_lock.sh: every Python package of the execution environment, with its hashes, for every Python from 3.11 on.
set -euo pipefail
cd "$(dirname "$0")/../.."

{
  echo "# Every Python package of the execution environment with its hashes; written by \`make environment-lock\`, not by hand."
  echo "#   pip install --require-hashes -r execution-environment.lock"
  { cat requirements.txt; printf '%s\n' 'ansible-core>=2.19,<2.20' 'ansible-runner>=2.4,<3'; } \
    | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -
} >execution-environment.lock.new
mv execution-environment.lock.new execution-environment.lock
