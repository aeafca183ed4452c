#!/usr/bin/env bash
# test.sh STAGE...: run every stage of `make test`, go on after a failure, and say at the end what failed.
# The stages named need the lab: it is brought up for them and taken down again, unless it was up before.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

[ -t 1 ] || export NO_COLOR=1 ANSIBLE_NOCOLOR=1
# A stage that hangs must not keep CI from taking the lab down.
limit=()
[ -z "${CI-}" ] || limit=(timeout --kill-after=60 40m)

passed=0
failed=0
summary=()

stage() {
  local name=$1 started=$SECONDS outcome=passed
  shift
  printf '\n==> %s\n' "$name"
  if "$@" </dev/null; then passed=$((passed + 1)); else outcome=FAILED failed=$((failed + 1)); fi
  summary+=("$(printf '%-24s %6d s  %s' "$name" $((SECONDS - started)) "$outcome")")
  echo "==> $name: $outcome after $((SECONDS - started)) s"
  [ "$outcome" = passed ]
}

run() { stage "$1" "${limit[@]}" make --no-print-directory "$1"; }

lab_down() {
  trap - EXIT
  run lab-down
}

for name in unit lint docs sanity package; do run "$name"; done

if [ $# -gt 0 ]; then
  if tests/lab/lab status >/dev/null 2>&1; then
    echo "==> The lab is up already: it is used, and left up"
  else
    trap lab_down EXIT
  fi
  if run lab-up; then
    for name in "$@"; do run "$name"; done
  fi
  [ -z "$(trap -p EXIT)" ] || lab_down
fi

printf '\n==> make test took %d s\n' $SECONDS
printf '%s\n' "${summary[@]}"
# The closing line that says in figures what happened.
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
