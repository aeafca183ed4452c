#!/usr/bin/env bash
# execution_environment.sh: what can be checked of the execution environment without building an image. A virtual environment of its own gets exactly
# execution-environment.lock, hashes required; a runbook is run from it by ansible-runner, with an empty home, a project that is read, and a
# kubeconfig as a file ($1, its current context).
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

ansible-galaxy collection build --force --output-path "$place" >/dev/null
mv "$place"/sre-runbooks-*.tar.gz "$place/sre-runbooks.tar.gz"
cp execution-environment.yml execution-environment.lock "$place"
echo "==> the build context"
(cd "$place" && ansible-builder create --file execution-environment.yml --context "$place/context")
grep -- --require-hashes "$place"/context/*file

echo "==> a virtual environment with exactly that"
[ -x .build/environment/bin/python ] || python3 -m venv --without-pip .build/environment
uv pip sync --quiet --require-hashes --only-binary :all: --python .build/environment/bin/python execution-environment.lock
[ -n "${1:-}" ] || exit 0

echo "==> a runbook by ansible-runner"
mkdir -p "$place"/{home,run/project,run/inventory,run/env,collections/ansible_collections/community}
export ANSIBLE_COLLECTIONS_PATH=$place/collections
.build/environment/bin/ansible-galaxy collection install --offline --no-deps --collections-path "$place/collections" "$place/sre-runbooks.tar.gz" >/dev/null
ln -s "$(python -c 'import ansible_collections.community.general as c; print(list(c.__path__)[0])')" "$place/collections/ansible_collections/community/general"
cp "$1" "$place/run/env/kubeconfig"
chmod 600 "$place/run/env/kubeconfig"
echo "- import_playbook: sre.runbooks.incident.crash_loop" >"$place/run/project/run.yml"
printf 'plugin: sre.runbooks.kubeconfig\nprefer_environment: true\n' >"$place/run/inventory/clusters.yml"
chmod -R a-w "$place/run/project"
cd "$place"
env -i HOME="$place/home" PATH="$root/.build/environment/bin:/usr/bin:/bin" LANG=C.UTF-8 ANSIBLE_COLLECTIONS_PATH="$ANSIBLE_COLLECTIONS_PATH" \
  KUBECONFIG="$place/run/env/kubeconfig" ANSIBLE_NOCOLOR=1 \
  "$root/.build/environment/bin/python" - "$place" <<'PYTHON'
import resource, sys, time
import ansible_runner
begun = time.time()
run = ansible_runner.run(private_data_dir=f"{sys.argv[1]}/run", playbook="run.yml", extravars={"runbooks_incidents_dir": f"{sys.argv[1]}/incidents"})
used = resource.getrusage(resource.RUSAGE_CHILDREN)
first = next((event["created"] for event in run.events if event["event"] == "runner_on_start"), "no task")
print(f"rc {run.rc}, {time.time() - begun:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of computing, {used.ru_maxrss // 1024} MiB at most; first task {first}")
print(*[event["event_data"].get("artifact_data") for event in run.events if event["event"] == "playbook_on_stats"])
sys.exit(run.rc)
PYTHON
token=$(grep -oE 'token: .*|client-key-data: .*' "$place/run/env/kubeconfig" | head -1 | cut -d' ' -f2)
if [ -n "$token" ] && grep -rlF -- "$token" "$place/run/artifacts" "$place/incidents" 2>/dev/null; then echo "the credential is in an artifact" >&2; exit 1; fi
