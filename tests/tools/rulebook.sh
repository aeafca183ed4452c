#!/usr/bin/env bash
# rulebook.sh: ansible-rulebook in an environment of its own, .build/rulebook, because what it needs may not fit what a checkout needs.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ ! -x .build/rulebook/bin/ansible-rulebook ] || exit 0
tests/tools/packages.sh openjdk-17-jre-headless
echo "==> installing ansible-rulebook into .build/rulebook"
.venv/bin/python -m venv .build/rulebook
.build/rulebook/bin/pip install -q 'ansible-rulebook>=1.3,<2'
