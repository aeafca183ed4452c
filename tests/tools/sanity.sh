#!/usr/bin/env bash
# ansible-test sanity on a copy of this checkout (what git would take, committed or not), with the package index as
# the only host that is needed. Arguments go to ansible-test, such as: sanity.sh --test pep8
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$PWD
PATH=$checkout/.venv/bin:$PATH

# The pip that ansible-test 2.19 puts into its environments.
pip_version=24.2
cache=~/.ansible/test/cache
if [ ! -e "$cache/get_pip_${pip_version//./_}.py" ]; then
  mkdir -p "$cache"
  python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$cache" "pip==$pip_version"
  cp tests/tools/get_pip.py "$cache/get_pip_${pip_version//./_}.py"
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
collections=$tree/ansible_collections
mkdir -p "$collections/sre/runbooks"
git ls-files --cached --others --exclude-standard -z \
  | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done \
  | tar --create --null --files-from - | tar --extract --directory "$collections/sre/runbooks"
site=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
while read -r namespace; do
  ln -s "$site/ansible_collections/$namespace" "$collections/$namespace"
done < <(sed -n '/^dependencies:/,/^[^ ]/s/^  \([a-z_]*\)\..*/\1/p' galaxy.yml | sort -u)

cd "$collections/sre/runbooks"
ansible-test sanity --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no "$@"
