#!/usr/bin/env bash
# matrix.sh [TESTS...]: unit tests on the newest Python and ansible-core, beside those that `make unit` uses. Then two
# playbooks there, against a cluster that does not answer: never the lab, where drills inject faults beside this.
# matrix.sh --drill [CLUSTER]: instead of them, a fault on a cluster of the lab that is up, answered from there with the newest of both.
# Python comes from a Debian release of its own, in a directory of the cache that nothing but this script enters.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$PWD

release=trixie  # Python 3.13, whose OpenSSL is strict about certificates
versions=(2.20 2.21)
packages=python3,python3-venv,ca-certificates,curl,make,openssh-client
site=$(echo .venv/lib/python3.*/site-packages)
lab=${SRE_LAB_HOME:-/var/lib/sre-runbooks-lab}
root=${XDG_CACHE_HOME:-$HOME/.cache}/sre-runbooks/matrix-$(sha256sum <<<"$release $packages" | cut -c1-16)

# What it sees of this machine: its network, the settings in the environment, the checkout, the lab's kubeconfig, the name service, and
# the certificates that are trusted here.
# The mounts are in a namespace of their own, and end with it.
# shellcheck disable=SC2016
inside() {
  unshare --mount bash -euc '
    root=$1 checkout=$2 lab=$3; shift 3
    mkdir -p "$root/checkout"
    if [ -d "$lab" ]; then mkdir -p "$root/lab"; mount --bind -o ro "$lab" "$root/lab"; fi
    mount --bind "$checkout" "$root/checkout"
    mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
    exec chroot "$root" /usr/bin/env --unset=PIP_FIND_LINKS --chdir=/checkout HOME=/root LC_ALL=C.UTF-8 PYTHONPYCACHEPREFIX=/var/cache/python \
      SRE_LAB_HOME=/lab "$@"
  ' inside "$root" "$checkout" "$lab" "$@"
}

# expect STATUS WORDS VERSION ARGUMENTS...: ansible-playbook, with the collections that .venv has, ends so, says that, and shows no traceback
expect() {
  local said status=0
  said=$(inside PATH="/opt/$3/bin:/usr/bin:/bin" ANSIBLE_COLLECTIONS_PATH="/checkout/.build/collections:/checkout/$site" \
    ANSIBLE_CONFIG=/checkout/playbooks/ansible.cfg ansible-playbook "${@:4}" --extra-vars runbooks_incidents_dir=/tmp/incidents 2>&1) || status=$?
  if [ "$status" -ne "$1" ] || ! grep -q "$2" <<<"$said" || grep -q "Traceback\|DEPRECATION" <<<"$said"; then
    printf '%s\nexit status %s: expected was %s, and "%s"\n' "$said" "$status" "$1" "$2"
    return 1
  fi
}

# prepare VERSION: an environment of that ansible-core with the requirements as they are now
prepare() {
  local stamp
  stamp=$({ echo "$1"; cat requirements.txt tests/unit/requirements.txt; } | sha256sum)
  if [ "$(cat "$root/opt/$1/stamp" 2>/dev/null)" != "$stamp" ]; then
    inside python3 -m venv --clear "/opt/$1"
    inside "/opt/$1/bin/pip" install --no-cache-dir --quiet --disable-pip-version-check \
      --requirement requirements.txt --requirement tests/unit/requirements.txt "ansible-core==$1.*"
    echo "$stamp" >"$root/opt/$1/stamp"
  fi
}

# drill VERSION CLUSTER: the whole shop is looked at, a release without its image is answered, and the second time there is nothing to do
drill() {
  local version=$1 cluster=$2 began=$SECONDS answer
  answer=("$version" --inventory inventories/lab --limit "$cluster" playbooks/incident/crash_loop.yml --extra-vars
    '{"crash_loop_workload": "user-service", "crash_loop_sustained_seconds": 5, "runbooks_cooldown": 0}')
  tests/lab/lab fault crash_image_missing --cluster "$cluster"
  # shellcheck disable=SC2064  # the cluster as it is now
  trap "tests/lab/lab heal --cluster '$cluster'" EXIT
  expect 2 "user-service-.*ErrImageNeverPull" "$version" --inventory inventories/lab --limit "$cluster" playbooks/incident/health_check.yml
  expect 0 "mitigated" "${answer[@]}"
  expect 0 "healthy" "${answer[@]}"
  echo "==> $(inside "/opt/$version/bin/python" --version), ansible-core $version: mitigated on $cluster after $((SECONDS - began)) s"
}

if [ ! -e "$root/ready" ]; then
  tests/tools/packages.sh mmdebstrap
  echo "==> Making a Debian $release of its own for the newest Python (one minute, once)"
  rm -rf --one-file-system "$root"
  mmdebstrap --quiet --variant=apt --include="$packages" --aptopt='Apt::Install-Recommends "0"' "$release" "$root" \
    http://deb.debian.org/debian
  touch "$root/ready"
fi

if [ "${1-}" = --drill ]; then
  prepare "${versions[-1]}"
  drill "${versions[-1]}" "${2:-lab1}"
  exit
fi

failed=0
for version in "${versions[@]}"; do
  prepare "$version"
  echo "==> $(inside "/opt/$version/bin/python" --version), ansible-core $version"
  inside PATH="/opt/$version/bin:/usr/bin:/bin" ANSIBLE_COLLECTIONS_PATH=/checkout/.build/collections \
    "/opt/$version/bin/pytest" "$@" || failed=1
  for playbook in health_check crash_loop; do
    expect 2 "no answer from https://127.0.0.1:1" "$version" --inventory dead, --connection local "playbooks/incident/$playbook.yml" \
      --extra-vars '{"runbooks_host": "https://127.0.0.1:1", "runbooks_token": "none"}' || failed=1
  done
done
exit "$failed"
