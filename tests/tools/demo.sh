#!/usr/bin/env bash
# The demonstration, on a lab that is up: the shop's JVM really leaks until a pod is OOMKilled, and the runbook answers.
set -euo pipefail
cd "$(dirname "$0")/../.."
lab=tests/lab/lab
incident=DEMO-$(date +%Y%m%d-%H%M%S)

say() { printf '\n==> %s\n' "$*"; }

say "1/3 The demo shop, healthy"
"$lab" heal

say "2/3 Customers send what api-server never forgets; in a minute or so a pod is OOMKilled"
"$lab" fault memory_leak

say "3/3 You are on call. You type: cd playbooks && ansible-playbook -i ../inventories/lab incident/memory_leak.yml"
started=$SECONDS
cd playbooks
# A person's second run within the cooldown escalates; each demonstration is a first run.
ansible-playbook -i ../inventories/lab --limit lab1 incident/memory_leak.yml -e "incident_id=$incident" -e runbooks_cooldown=0

say "Answered in $((SECONDS - started)) s"
cat <<END
What next:
    less playbooks/incidents/$incident/lab1/report.md
    cd playbooks && PATH=$(dirname "$PWD")/.venv/bin:\$PATH
    ansible-playbook -i ../inventories/lab incident/memory_leak.yml --check --diff
    ansible-playbook -i ../inventories/lab incident/clear_temporary_fixes.yml
    make lab-down
END
