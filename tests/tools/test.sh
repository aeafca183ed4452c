#!/usr/bin/env bash
# test.sh STAGE...: run every stage of `make test`, go on after a failure, and say at the end what failed.
# The stages named need the lab: it is brought up for them and taken down again, unless it was up before.
# Most of a drill is waiting, so the drills of molecule run on one cluster while those in Python run on another; a third one, which
# nothing has changed before, is for those of change correlation.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

[ -t 1 ] || export NO_COLOR=1 ANSIBLE_NOCOLOR=1
# A stage that hangs must not keep CI from taking the lab down.
limit=()
[ -z "${CI-}" ] || limit=(timeout --kill-after=60 70m)

scratch=$(mktemp -d)
touch "$scratch/results"
python_drills=

stage() {
  local name=$1 started=$SECONDS outcome=passed
  shift
  printf '\n==> %s\n' "$name"
  "$@" </dev/null 2>&1 | tee "$scratch/$name.log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || outcome=FAILED
  printf '%-24s %6d s  %s\n' "$name" $((SECONDS - started)) "$outcome" >>"$scratch/results"
  echo "==> $name: $outcome after $((SECONDS - started)) s"
  [ "$outcome" = passed ]
}

run() { stage "$1" "${limit[@]}" make --no-print-directory "$@"; }

drill() { LAB_CLUSTER=lab1 run "drill-$1"; }

finish() {
  trap - EXIT
  [ -z "$python_drills" ] || wait "$python_drills"
  [ -z "${lab_is_ours-}" ] || run lab-down
}

for name in unit lint docs sanity package database analysis; do run "$name"; done

if [ $# -gt 0 ]; then
  trap finish EXIT
  if tests/lab/lab status >/dev/null 2>&1; then
    echo "==> The lab was up already: it is left up"
  else
    lab_is_ours=yes
  fi
  if run lab-up CLUSTERS=3; then
    LAB_CLUSTER=lab2 run drills >"$scratch/drills.output" 2>&1 &
    python_drills=$!
    echo "==> drills run on lab2 meanwhile"
    failed_once=()
    for name in "$@"; do drill "$name" || failed_once+=("$name"); done
    LAB_CLUSTER=lab3 run drills-alone
    wait "$python_drills"
    python_drills=
    cat "$scratch/drills.output"
    # A drill waits only so long for a symptom, and two at once fill a small machine: what failed so is tried once more.
    for name in "${failed_once[@]}"; do
      sed -i "s/^\(drill-$name .*\)FAILED$/\1failed beside others, tried again:/" "$scratch/results"
      drill "$name"
    done
    run fleet
  fi
  finish
fi

printf '\n==> make test took %d s\n' $SECONDS
# The lines that say why, where a reader of a long log looks first.
while read -r name _; do
  printf '%s failed:\n' "$name"
  grep -aE 'fatal:|^E   |^FAILED|ERROR' "$scratch/$name.log" | tail -n 12 | cut -c 1-1500
done < <(grep 'FAILED$' "$scratch/results")
cat "$scratch/results"
passed=$(grep -c 'passed$' "$scratch/results")
failed=$(grep -c 'FAILED$' "$scratch/results")
rm -r "$scratch"
# The closing line that says in figures what happened.
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
