#!/usr/bin/env bash
# Build the collection, install it into an empty place as a user would, and check what arrived there.
set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

ansible-galaxy collection build --force --output-path "$place"
artifact=$(echo "$place"/*.tar.gz)

# Its dependencies came with pip: `--no-deps` keeps ansible-galaxy from asking a Galaxy server for them.
export ANSIBLE_COLLECTIONS_PATH=$place/collections
ansible-galaxy collection install --offline --no-deps --collections-path "$place/collections" "$artifact"
ansible-galaxy collection verify --offline sre.runbooks
installed=$place/collections/ansible_collections/sre/runbooks

echo "Playbooks of the installed collection parse"
find "$installed/playbooks" -name '*.yml' -not -path '*/vars/*' -not -path '*/tasks/*' -not -path '*/group_vars/*' -print0 \
  | (cd "$installed/playbooks" && env -u ANSIBLE_COLLECTIONS_PATH xargs --null --no-run-if-empty \
      ansible-playbook --inventory localhost, --syntax-check >/dev/null)

echo "Execution environment: Python and system requirements"
ansible-builder introspect --sanitize "$place/collections"

# The importer warns where Galaxy's reviewers would ask: a warning is a failure here. `make lint` runs its ansible-lint, on more.
cd "$place"
GALAXY_IMPORTER_CHECK_REQUIRED_TAGS=true GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false python -m galaxy_importer.main "$artifact" 2>&1 \
  | grep -v '^Loading' | tee "$place/importer.log"
if grep -qE '^(WARNING|ERROR)' "$place/importer.log"; then exit 1; fi
