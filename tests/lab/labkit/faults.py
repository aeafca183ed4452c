"""Faults, caused for real and bounded in time, and the way back from all of them."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

import yaml
from prometheus_client.parser import text_string_to_metric_families

from labkit import shop
from labkit.cluster import Cluster
from labkit.host import LAB, NAMESPACE, LabError, say

Kubectl = t.Callable[..., str]

#: gift notes a second, and how long they are: half a megabyte of cards each, as many as fill a pod in minutes; short ones that each pod
#: still gets every second, but that fill nothing
GROWTH, TRICKLE = (8, 64), (6, 1)
#: hardly more than api-server uses on a quiet day, and requests a second that are more than a quiet day's
TIGHT_LIMIT, BUSY = "72Mi", 25
#: a shell that holds some 40 MB
SHIP = "buffer=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 7200"
#: long notes that fill most of a pod of api-server, and leave the room in which it can be looked into; and more than any pod survives
MOST_OF_A_POD, TOO_MANY = 270, 2000
#: so many notes, one after another, for each of these pods at the same time
SEND_NOTES = """
count=$1; note=$2; shift 2
for address; do
  (for n in $(seq "$count"); do
    curl -s -o /dev/null --fail --max-time 20 -H 'Content-Type: application/json' --data-binary "$note" "http://$address:8080/orders" || exit 0
  done) &
done
wait"""
#: A symptom that a busy machine is slow to show is waited for; a fault that nobody takes back ends some time.
SYMPTOM_SECONDS, FAULT_SECONDS = 600, 3600
USUAL_SECONDS = 30
#: until customers make requests at another rate, and for how long that is looked at then
SETTLE_SECONDS, LOOK_SECONDS = 3, 5
#: what a validation takes on the mean when pods are too few
SLOW_SECONDS, SLOW_LOOKS, MOST_VALIDATIONS = 1.2, 3, 400
#: profiles a second that are about right for a gateway with 20m of CPU
CRAWL_RATE = 100
#: the share of requests that fails at a gateway that is too small, but not hopelessly: a refusal takes CPU too
SOME, MOST = 0.15, 0.8
RAISE, LOWER = 1.3, 0.75
ON_DEMAND = LAB / "shop" / "on-demand"
CORRUPT_DATA = LAB / "shop" / "faults" / "corrupt_data.sql"
SPOILED = "lab/spoiled"
ADDED = ("deployment/nightly-report", "deployment/thumbnails", "deployment/recommender", "limitrange/memory-for-all",
         "configmap/auth-emergency", "configmap/traffic-shedding-policy")


def memory_leak(kubectl: Kubectl) -> None:
    """Customers send gift notes, which api-server never forgets, until all pods are nearly full and one is OOMKilled; then a trickle stays.

    Notes are counted, so that a machine that is slow to look does not fill the pods more than another.
    """
    before = set(_oom_killed(kubectl))
    pods = kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=api-server", "-o", "jsonpath={.items[*].status.podIP}").split()
    _send_notes(kubectl, MOST_OF_A_POD, pods)
    _gift_notes(kubectl, *TRICKLE)
    _send_notes(kubectl, TOO_MANY, pods[:1])
    _until(lambda: set(_oom_killed(kubectl)) - before, SYMPTOM_SECONDS, "a pod of api-server is OOMKilled")


def _send_notes(kubectl: Kubectl, count: int, addresses: t.Sequence[str]) -> None:
    note = json.dumps({"customer": "alice", "items": [{"product": "pen", "quantity": 1, "price": 1.2}], "gift_note": "for you, with love" * 64})
    kubectl("-n", NAMESPACE, "exec", "deployment/debug-pod", "--", "sh", "-c", SEND_NOTES, "sh", str(count), note, *addresses, timeout=SYMPTOM_SECONDS)


def memory_growth(kubectl: Kubectl) -> None:
    """The same leak, slowly: memory rises for minutes before anything is killed."""
    _gift_notes(kubectl, *GROWTH)


def memory_direct_buffers(kubectl: Kubectl) -> None:
    """A release of api-server takes direct buffers and gives none back."""
    _hoard(kubectl, "direct")


def memory_classes(kubectl: Kubectl) -> None:
    """A release of api-server loads the same class again and again, each time with a class loader of its own."""
    _hoard(kubectl, "classes")


def memory_threads(kubectl: Kubectl) -> None:
    """A release of api-server starts threads that never end."""
    _hoard(kubectl, "threads")


def memory_native(kubectl: Kubectl) -> None:
    """A release of api-server opens compressors and never ends them: malloc's memory, of which the JVM knows nothing."""
    _hoard(kubectl, "native")


def memory_go(kubectl: Kubectl) -> None:
    """thumbnails, in Go, keeps every picture that it has made."""
    _on_demand(kubectl, "thumbnails")
    _fills(kubectl, "thumbnails", 64)


def memory_python(kubectl: Kubectl) -> None:
    """recommender, in Python, keeps all that it has seen; it has no metrics."""
    _on_demand(kubectl, "recommender")
    _fills(kubectl, "recommender", 64)


def memory_limit_lowered(kubectl: Kubectl) -> None:
    """Somebody saves memory: the limit of api-server is hardly more than what it uses on a quiet day."""
    kubectl("-n", NAMESPACE, "set", "resources", "deployment/api-server", f"--limits=memory={TIGHT_LIMIT}", "--requests=memory=64Mi")
    set_load(kubectl, BUSY)
    _killed(kubectl, "api-server")


def memory_limit_range(kubectl: Kubectl) -> None:
    """api-server has no limit of its own, its namespace has one for all, and that is lowered: pods that start anew get the new one."""
    _limit_range(kubectl, "384Mi")
    container = {"name": "api-server", "resources": {"limits": {"memory": None}, "requests": {"memory": "64Mi"}}}
    _patch(kubectl, "deployment/api-server", {"spec": {"template": {"spec": {"containers": [container]}}}})
    shop.wait(kubectl)
    _limit_range(kubectl, TIGHT_LIMIT)
    kubectl("-n", NAMESPACE, "delete", "pod", *_staying(kubectl, "api-server")[:2], "--wait=true", timeout=60)
    set_load(kubectl, BUSY)
    _killed(kubectl, "api-server")


def memory_limit_sidecar(kubectl: Kubectl) -> None:
    """A sidecar of api-server gets a limit that is less than it needs; api-server itself is as it was."""
    for limit in ("128Mi", "24Mi"):
        sidecar = {"name": "log-shipper", "image": "shop/debug-pod:lab", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", SHIP],
                   "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": limit}}}
        _patch(kubectl, "deployment/api-server", {"spec": {"template": {"spec": {"containers": [sidecar]}}}})
        if limit == "128Mi":
            shop.wait(kubectl)
    _killed(kubectl, "api-server")


def pool_leak(kubectl: Kubectl) -> None:
    """Customers ask for reports of an empty day, whose code path never gives its connection back; then hardly any do."""
    _crowd(kubectl, EMPTY_REPORTS_PER_SECOND=2)
    try:
        _pools_exhausted(kubectl)
    finally:
        _crowd(kubectl, EMPTY_REPORTS_PER_SECOND=0.02)


def slow_query(kubectl: Kubectl) -> None:
    """Customers search for what no index helps to find: every connection is busy for long."""
    _crowd(kubectl, SEARCHES_PER_SECOND=4, SEARCH_SECONDS=20)
    _pools_exhausted(kubectl)


def idle_in_transaction(kubectl: Kubectl) -> None:
    """Another Deployment eats max_connections with sessions that it forgot inside a transaction."""
    _nightly_report(kubectl, SESSIONS="95", STATEMENT="SELECT count(*) FROM orders")
    _crowd(kubectl, SEARCHES_PER_SECOND=6, SEARCH_SECONDS=2)
    _pools_exhausted(kubectl)


def lock_held(kubectl: Kubectl) -> None:
    """Another Deployment keeps a lock on the orders: every new order waits for it, with its connection."""
    _nightly_report(kubectl, SESSIONS="1", STATEMENT="LOCK TABLE orders IN EXCLUSIVE MODE")
    _crowd(kubectl, REQUESTS_PER_SECOND=20)
    _pools_exhausted(kubectl)


def db_pool_too_small(kubectl: Kubectl) -> None:
    """The pool has two connections and the load is honest: nothing leaks and nothing is slow."""
    _set_env(kubectl, "api-server", DB_POOL_SIZE=2)
    _crowd(kubectl, SEARCHES_PER_SECOND=30, SEARCH_SECONDS=0.6)
    _pools_exhausted(kubectl)


def role_limit(kubectl: Kubectl) -> None:
    """The database allows the shop's role no more connections than it has, while customers search: pools cannot grow, and are not full.

    Right after a rollout the sessions of pods that are ending count too, so that so many would be enough for everybody: a dozen is not.
    """
    kubectl("-n", NAMESPACE, "annotate", "deployment/postgres", f"{SPOILED}=true", "--overwrite")
    kubectl("-n", NAMESPACE, "exec", "-i", "deployment/postgres", "--", "psql", "-h", "/tmp", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "shop",
            stdin="SELECT format('ALTER ROLE shop CONNECTION LIMIT %s', least(count(*), 12)) FROM pg_stat_activity WHERE usename = 'shop' \\gexec\n")
    _crowd(kubectl, SEARCHES_PER_SECOND=8, SEARCH_SECONDS=2)
    _pools_exhausted(kubectl)


def auth_bad_release(kubectl: Kubectl) -> None:
    """A release expects peppered passwords that nobody has migrated: good passwords are refused."""
    _set_env(kubectl, "auth-service", PASSWORD_PEPPER="v2")
    _crowd(kubectl, LOGINS_PER_SECOND=2)
    _more(kubectl, "auth-service", "auth_login_attempts_total", {"result": "wrong_password"}, "good passwords are refused")


def auth_slow_release(kubectl: Kubectl) -> None:
    """A release takes longer to validate a token than callers wait."""
    _set_env(kubectl, "auth-service", VALIDATION_DELAY_MS=6000)
    _more(kubectl, "api-gateway", "gateway_request_seconds_count", {"route": "/auth/validate", "status": "502"},
          "validations time out")


def auth_rotated_secret(kubectl: Kubectl) -> None:
    """The signing key is rotated and only one pod started since: each refuses the tokens of the other."""
    _patch(kubectl, "secret/auth-signing-key", {"stringData": {"signing-key": "rotated-signing-key"}})
    kubectl("-n", NAMESPACE, "delete", "pod", _staying(kubectl, "auth-service")[0], "--wait=true", timeout=60)
    shop.wait(kubectl)
    # The gateway keeps its connections, and so far all of them lead to the pod that was not restarted.
    _crowd(kubectl, REQUESTS_PER_SECOND=20)
    kubectl("-n", NAMESPACE, "delete", "pods", "-l", "app=api-gateway", "--wait=true", timeout=60)
    shop.wait(kubectl)
    _more(kubectl, "auth-service", "auth_jwt_validation_seconds_count", {"result": "rejected"}, "good tokens are refused")


def auth_redis_refusing(kubectl: Kubectl) -> None:
    """Redis has no pod: connections are refused and log-ins cannot be counted."""
    kubectl("-n", NAMESPACE, "scale", "deployment/redis", "--replicas=0")
    _more(kubectl, "auth-service", "auth_login_attempts_total", {"result": "rate_limited"}, "log-ins are turned away")


def auth_redis_noauth(kubectl: Kubectl) -> None:
    """Redis wants a password from now on, and its clients do not know it: it answers, and log-ins cannot be counted."""
    for command in ("config set requirepass changed", "--no-auth-warning -a changed client kill type normal"):
        kubectl("-n", NAMESPACE, "exec", "deployment/redis", "--", "redis-cli", *command.split())
    _more(kubectl, "auth-service", "auth_login_attempts_total", {"result": "rate_limited"}, "log-ins are turned away")


def auth_login_burst(kubectl: Kubectl) -> None:
    """A partner's program logs in for every call that it makes."""
    _crowd(kubectl, LOGINS_PER_SECOND=40)
    _more(kubectl, "auth-service", "auth_rate_limit_hits_total", {}, "the rate limit is hit")


def auth_overload(kubectl: Kubectl) -> None:
    """More log-ins and validations than two small pods have CPU for; they have been that small for a while."""
    _set_limits(kubectl, "auth-service", cpu="10m")
    kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/auth-service")
    shop.wait(kubectl)
    # How many that is depends on the machine; five pods can do two and a half times as many. One slow look may be the start of the pods.
    rate, slow = 20.0, 0
    while slow < SLOW_LOOKS:
        if rate > MOST_VALIDATIONS:
            raise LabError(f"Two pods of auth-service validate {rate:.0f} tokens a second and are still not slow.")
        _crowd(kubectl, REQUESTS_PER_SECOND=15, VALIDATIONS_PER_SECOND=rate, CROWD="true")
        slow = slow + 1 if _validation_seconds(kubectl) >= SLOW_SECONDS else 0
        rate *= 1.0 if slow else 1.2
    _until(lambda: _millicores(kubectl, "auth-service") >= 9, SYMPTOM_SECONDS, "a pod is seen to use all its CPU")


def gateway_overload(kubectl: Kubectl) -> None:
    """A crawler sends more than the gateway has CPU for, all to a fast route."""
    _small_gateway(kubectl, cpu="20m")
    time.sleep(USUAL_SECONDS)
    _crawl(kubectl, CRAWL_RATE)


def gateway_undersized(kubectl: Kubectl) -> None:
    """A release gave the gateway less CPU than it needs for what the crawler has sent all along."""
    rate = CRAWL_RATE
    while True:
        _crowd(kubectl, PROFILES_PER_SECOND=rate, CROWD="true")
        _small_gateway(kubectl, cpu="20m")
        time.sleep(USUAL_SECONDS)
        before, rate = rate, _crawl(kubectl, rate)
        if rate <= RAISE * before:
            return
        kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/api-gateway")  # for its log, so much more is not usual


def gateway_slow_upstream(kubectl: Kubectl) -> None:
    """Searches take longer than the gateway waits for api-server, and hold its slots meanwhile."""
    _crowd(kubectl, SEARCHES_PER_SECOND=8, SEARCH_SECONDS=6, CROWD="true")
    _more(kubectl, "api-gateway", "gateway_request_seconds_count", {"status": "502"}, "api-server does not answer in time")


def gateway_queue(kubectl: Kubectl) -> None:
    """More and more searches, each faster than the gateway's patience: they queue for its few slots long before they fail."""
    _patch(kubectl, "configmap/api-gateway-config", {"data": {"QUEUE_SIZE": "500"}})
    _set_env(kubectl, "api-gateway", GATEWAY_CONCURRENCY=8)
    for searches in range(8, 56, 8):
        _crowd(kubectl, SEARCHES_PER_SECOND=searches, SEARCH_SECONDS=2, CROWD="true")
        time.sleep(3)


def gateway_retry_storm(kubectl: Kubectl) -> None:
    """Customers repeat what fails at once and often, so that what was a little too much stays far too much."""
    _small_gateway(kubectl, cpu="300m")
    time.sleep(USUAL_SECONDS)
    _crowd(kubectl, SEARCHES_PER_SECOND=50, SEARCH_SECONDS=0.4, RETRIES=8, CROWD="true")
    _more(kubectl, "api-gateway", "gateway_refused_total", {"reason": "queue"}, "requests fail and are repeated")


def data_corrupted(kubectl: Kubectl) -> None:
    """A migration leaves wrong totals, lost and orphaned rows, duplicates and audit entries that were tampered with."""
    kubectl("-n", NAMESPACE, "annotate", "deployment/postgres", f"{SPOILED}=true", "--overwrite")
    kubectl("-n", NAMESPACE, "exec", "-i", "deployment/postgres", "--", "psql", "-h", "/tmp", "-U", "postgres", "-q",
            "-v", "ON_ERROR_STOP=1", "shop", stdin=CORRUPT_DATA.read_text())
    _forget(kubectl)  # or customers are shown good copies
    _until(lambda: _logged(kubectl, "api-server", "validation error"), SYMPTOM_SECONDS, "api-server logs a validation error")


def crash_bad_release(kubectl: Kubectl) -> None:
    """A release of user-service does not know how to start; the pod of the release before keeps serving."""
    _release(kubectl, args=["user-servise"])
    _waits(kubectl, "CrashLoopBackOff")


def crash_missing_secret_key(kubectl: Kubectl) -> None:
    """Somebody removes a key from a Secret, and user-service, which has run for long, starts anew: no release is to blame."""
    _patch(kubectl, "secret/shop-db", {"data": {"password": None}})
    kubectl("-n", NAMESPACE, "delete", "pods", "-l", "app=user-service", "--wait=true", timeout=60)
    _waits(kubectl, "CreateContainerConfigError")


def crash_image_missing(kubectl: Kubectl) -> None:
    """A release of user-service names an image that is not there."""
    _release(kubectl, image="shop/services:never-built", imagePullPolicy="Never")
    _waits(kubectl, "ErrImageNeverPull")


def crash_strict_probe(kubectl: Kubectl) -> None:
    """user-service is well, but its liveness probe asks for a page that it does not have, and is not patient."""
    _release(kubectl, livenessProbe={"httpGet": {"path": "/alive", "port": "http"}, "periodSeconds": 1, "failureThreshold": 3})
    _until(lambda: _restarts(kubectl, "user-service") >= 2, SYMPTOM_SECONDS, "the probe has killed user-service twice")


FAULTS: dict[str, t.Callable[[Kubectl], None]] = {fault.__name__: fault for fault in (
    memory_leak, memory_growth, memory_direct_buffers, memory_classes, memory_threads, memory_native, memory_go, memory_python,
    memory_limit_lowered, memory_limit_range, memory_limit_sidecar,
    pool_leak, slow_query, idle_in_transaction, lock_held, db_pool_too_small, role_limit,
    auth_bad_release, auth_slow_release, auth_rotated_secret, auth_redis_refusing, auth_redis_noauth, auth_login_burst, auth_overload,
    gateway_overload, gateway_undersized, gateway_slow_upstream, gateway_queue, gateway_retry_storm,
    data_corrupted,
    crash_bad_release, crash_missing_secret_key, crash_image_missing, crash_strict_probe,
)}
#: whose pods spoil nothing of api-server: its memory, its connections and its log are as they were
SPARE_API_SERVER = {fault for fault in FAULTS if fault.startswith("auth_")} | {"gateway_overload", "gateway_undersized"}


def cause(cluster: Cluster, name: str) -> None:
    """Cause one of them on a cluster, and remember it there; returns when its symptom is there."""
    cluster.remember(name)
    FAULTS[name](cluster.kubectl)


def restore(cluster: Cluster) -> None:
    """Heal the shop of a cluster from all that was caused there."""
    heal(cluster.kubectl, cluster.faults())
    cluster.forget_faults()


def heal(kubectl: Kubectl, caused: t.Collection[str]) -> None:
    """Replace what the shop's manifests say, and remove what faults and runbooks add to it, records and locks of incidents too.

    :param caused: the faults since the last time; pods that they spoil start anew, even where their manifest is as it was.
    """
    documents = [document for document in yaml.safe_load_all(shop.manifests(shop.MANIFESTS, ""))
                 if document and document["kind"] in ("Deployment", "ConfigMap", "Secret")]
    kubectl("-n", NAMESPACE, "delete", *ADDED, "--ignore-not-found", "--wait=true", timeout=120)
    for label in ("runbooks.sre/incident", "runbooks.sre/incident-part"):
        kubectl("-n", NAMESPACE, "delete", "configmaps", "-l", label)
    kubectl("-n", NAMESPACE, "delete", "leases", "--all")
    spoiled = SPOILED in kubectl("-n", NAMESPACE, "get", "deployment/postgres", "-o", "jsonpath={.metadata.annotations}")
    kubectl("replace", "-f", "-", stdin=yaml.safe_dump_all(documents))
    _poke(kubectl, "load-generator")
    # auth-service reads its key when it starts, so a key that is put back needs new pods too
    stale = (["auth-service"] if caused else []) + (["api-server"] if set(caused) - SPARE_API_SERVER else [])
    stale += ["postgres"] if spoiled else []  # its data goes with its pod
    stale += ["redis"] if "auth_redis_noauth" in caused else []  # so does the password
    if stale:
        kubectl("-n", NAMESPACE, "delete", "pods", "-l", f"app in ({', '.join(stale)})", "--wait=true", timeout=120)
    shop.wait(kubectl)
    _forget(kubectl)


def _forget(kubectl: Kubectl) -> None:
    """Empty Redis: copies of orders, and how often each client has logged in this minute."""
    kubectl("-n", NAMESPACE, "exec", "deployment/redis", "--", "redis-cli", "flushall")


def set_load(kubectl: Kubectl, rate: float) -> None:
    """Set how many ordinary requests customers make a second."""
    _customers(kubectl, REQUESTS_PER_SECOND=rate)


def _customers(kubectl: Kubectl, **rates: float | str) -> None:
    data = {name: rate if isinstance(rate, str) else f"{rate:.12g}" for name, rate in rates.items()}
    _patch(kubectl, "configmap/load-generator", {"data": data})
    _poke(kubectl, "load-generator")
    say("customers: " + ", ".join(f"{name} {rate}" for name, rate in data.items()))


def _gift_notes(kubectl: Kubectl, a_second: float, verses: int) -> None:
    _customers(kubectl, GIFT_NOTES_PER_SECOND=a_second, GIFT_NOTE_VERSES=verses)


def _crowd(kubectl: Kubectl, **rates: float | str) -> None:
    """Customers who go back to normal by themselves after FAULT_SECONDS."""
    _customers(kubectl, **rates, UNTIL=int(time.time()) + FAULT_SECONDS)


def _nightly_report(kubectl: Kubectl, **env: str) -> None:
    deployment = yaml.safe_load((ON_DEMAND / "nightly-report.yml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] += [{"name": name, "value": value}
                         for name, value in {**env, "HOLD_SECONDS": str(FAULT_SECONDS)}.items()]
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(deployment))
    shop.wait(kubectl)


def _hoard(kubectl: Kubectl, what: str) -> None:
    _set_env(kubectl, "api-server", HOARD=what)
    _fills(kubectl, "api-server", 160)


def _on_demand(kubectl: Kubectl, name: str) -> None:
    kubectl("apply", "-f", ON_DEMAND / f"{name}.yml")
    shop.wait(kubectl)


def _limit_range(kubectl: Kubectl, memory: str) -> None:
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "memory-for-all", "namespace": NAMESPACE},
        "spec": {"limits": [{"type": "Container", "default": {"memory": memory}, "defaultRequest": {"memory": "16Mi"}}]}}))


def _fills(kubectl: Kubectl, app: str, mebibytes: int) -> None:
    """Wait until the metrics API says that a pod uses so much memory."""
    def most() -> int:
        with contextlib.suppress(LabError):  # pods that have only started have no metrics yet
            rows = kubectl("-n", NAMESPACE, "top", "pods", "-l", f"app={app}", "--no-headers").splitlines()
            return max((int(row.split()[2].removesuffix("Mi")) for row in rows), default=0)
        return 0

    _until(lambda: most() >= mebibytes, SYMPTOM_SECONDS, f"a pod of {app} uses {mebibytes} MiB")


def _killed(kubectl: Kubectl, app: str) -> None:
    """Wait until a container of an application was killed at its memory limit."""
    _until(lambda: any(state.get("terminated", {}).get("reason") == "OOMKilled" for status in _statuses(kubectl, app)
                       for state in (status.get("lastState", {}), status["state"])), SYMPTOM_SECONDS, f"a container of {app} is OOMKilled")


def _small_gateway(kubectl: Kubectl, cpu: str) -> None:
    """A gateway that little load is too much for. It gets what it asks for, however busy the machine is."""
    container = {"name": "api-gateway", "resources": {"limits": {"cpu": cpu}, "requests": {"cpu": cpu}},
                 "env": [{"name": "GATEWAY_CONCURRENCY", "value": "8"}]}
    _patch(kubectl, "configmap/api-gateway-config", {"data": {"QUEUE_SIZE": "8"}})
    _patch(kubectl, "deployment/api-gateway", {"spec": {"template": {"spec": {"containers": [container]}}}})
    shop.wait(kubectl)


def _crawl(kubectl: Kubectl, rate: float) -> float:
    """Crawl as fast as two small gateways have not the CPU for and ten have, which depends on the machine; returns the rate."""
    for _attempt in range(20):
        _crowd(kubectl, PROFILES_PER_SECOND=rate, CROWD="true")
        failed = _failed_share(kubectl)
        say(f"{failed:.0%} of the requests fail")
        if SOME <= failed <= MOST:
            return rate
        rate *= RAISE if failed < SOME else LOWER
    raise LabError(f"At no rate up to {rate:.0f} requests a second do some but not most requests fail.")


def _release(kubectl: Kubectl, **container: object) -> None:
    """Change the container of user-service; nobody waits for what may never be ready."""
    _patch(kubectl, "deployment/user-service", {"spec": {"template": {"spec": {"containers": [{"name": "user-service", **container}]}}}})


def _staying(kubectl: Kubectl, app: str) -> list[str]:
    """The names of an application's pods, but for those of an earlier rollout that are on their way out."""
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
    return [pod["metadata"]["name"] for pod in pods if not pod["metadata"].get("deletionTimestamp")]


def _statuses(kubectl: Kubectl, app: str) -> list[dict[str, t.Any]]:
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
    return [status for pod in pods for status in pod["status"].get("containerStatuses", [])]


def _waits(kubectl: Kubectl, reason: str) -> None:
    """Wait until a container of user-service is in that state."""
    _until(lambda: any(status["state"].get("waiting", {}).get("reason") == reason for status in _statuses(kubectl, "user-service")),
           SYMPTOM_SECONDS, f"a container of user-service waits: {reason}")


def _restarts(kubectl: Kubectl, app: str) -> int:
    return sum(status["restartCount"] for status in _statuses(kubectl, app))


def _set_env(kubectl: Kubectl, deployment: str, **env: object) -> None:
    kubectl("-n", NAMESPACE, "set", "env", f"deployment/{deployment}", *(f"{name}={value}" for name, value in env.items()))
    shop.wait(kubectl)


def _set_limits(kubectl: Kubectl, deployment: str, cpu: str) -> None:
    kubectl("-n", NAMESPACE, "set", "resources", f"deployment/{deployment}", f"--limits=cpu={cpu}", f"--requests=cpu={cpu}")
    shop.wait(kubectl)


def _patch(kubectl: Kubectl, name: str, patch: dict[str, t.Any]) -> None:
    kubectl("-n", NAMESPACE, "patch", name, "-p", json.dumps(patch))


def _pools_exhausted(kubectl: Kubectl) -> None:
    """Requests that wait for a moment while a pool grows are no symptom; those that get no connection in time are."""
    _more(kubectl, "api-server", "hikaricp_connections_timeout_total", {}, "requests get no connection in time")


def _more(kubectl: Kubectl, app: str, series: str, labels: dict[str, str], what: str) -> None:
    """Wait until a counter has grown by ten: more than chance, and the symptom goes on."""
    before = _series(kubectl, app, series, labels)
    _until(lambda: _series(kubectl, app, series, labels) >= before + 10, SYMPTOM_SECONDS, what)


def _series(kubectl: Kubectl, app: str, series: str, labels: dict[str, str]) -> float:
    """The sum of a series over the pods of an application; a pod that does not answer counts for nothing."""
    return sum(_each(kubectl, app, series, labels))


def _each(kubectl: Kubectl, app: str, series: str, labels: dict[str, str]) -> t.Iterator[float]:
    """The same for each pod that answers."""
    for _name, families in _scraped(kubectl, app):
        yield sum(sample.value for family in families for sample in family.samples
                  if sample.name == series and labels.items() <= sample.labels.items())


def _scraped(kubectl: Kubectl, app: str) -> t.Iterator[tuple[str, list[t.Any]]]:
    """The metrics of each pod that answers."""
    for name in kubectl("-n", NAMESPACE, "get", "pods", "-l", f"app={app}", "-o", "name").split():
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name.removeprefix('pod/')}:9090/proxy/metrics"
        with contextlib.suppress(LabError):
            yield name, list(text_string_to_metric_families(kubectl("get", "--raw", path)))


def _grown(kubectl: Kubectl, app: str, *series: tuple[str, dict[str, str]]) -> list[float]:
    """By how much each of these grows while they are looked at."""
    time.sleep(SETTLE_SECONDS)
    before = [_series(kubectl, app, *one) for one in series]
    time.sleep(LOOK_SECONDS)
    return [_series(kubectl, app, *one) - known for one, known in zip(series, before, strict=True)]


def _validation_seconds(kubectl: Kubectl) -> float:
    """What a validation takes on the mean; none at all is slow, too."""
    name = "auth_jwt_validation_seconds"
    seconds, count = _grown(kubectl, "auth-service", (f"{name}_sum", {}), (f"{name}_count", {}))
    return seconds / count if count > 0 else SLOW_SECONDS


def _failed_share(kubectl: Kubectl) -> float:
    """The share of the gateway's requests that it refuses because its queue is full; all where it answers nothing."""
    total, refused = _grown(kubectl, "api-gateway", ("gateway_request_seconds_count", {}), ("gateway_refused_total", {"reason": "queue"}))
    return refused / total if total > 0 else 1.0


def passed(kubectl: Kubectl) -> dict[str, tuple[float, float]]:
    """Requests of customers that each pod of the gateway has answered so far, and those of them that were served; of pods that answer."""
    refused = ("401", "403", "429", "500", "502", "503", "504")
    found = {}
    for name, families in _scraped(kubectl, "api-gateway"):
        samples = [sample for family in families for sample in family.samples if sample.name == "gateway_request_seconds_count"]
        found[name] = tuple(sum(sample.value for sample in samples if sample.labels["status"] not in left) for left in ((), refused))
    return found


def _millicores(kubectl: Kubectl, app: str) -> int:
    """What the busiest pod of an application uses, as the metrics API says."""
    rows = kubectl("-n", NAMESPACE, "top", "pods", "-l", f"app={app}", "--no-headers").splitlines()
    return max((int(row.split()[1].removesuffix("m")) for row in rows), default=0)


def _logged(kubectl: Kubectl, app: str, text: str) -> bool:
    return text in kubectl("-n", NAMESPACE, "logs", "-l", f"app={app}", "--since=20s", "--tail=-1")


def _poke(kubectl: Kubectl, app: str) -> None:
    """Change something of the pod, so that its kubelet mounts a changed ConfigMap now and not at the next sync."""
    time.sleep(0.5)
    kubectl("-n", NAMESPACE, "annotate", "pods", "-l", f"app={app}", f"lab/poke={time.time_ns()}", "--overwrite")


def _oom_killed(kubectl: Kubectl) -> t.Iterator[str]:
    """Each OOM kill that pods of api-server still remember, as pod and time."""
    pods = json.loads(kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=api-server", "-o", "json"))["items"]
    for pod in pods:
        for status in pod["status"].get("containerStatuses", []):
            for state in (status.get("lastState", {}), status.get("state", {})):
                end = state.get("terminated", {})
                if end.get("reason") == "OOMKilled":
                    yield f"{pod['metadata']['name']} {end['finishedAt']}"


def _until(check: t.Callable[[], object], timeout: float, what: str) -> None:
    deadline, told = time.monotonic() + timeout, 0.0
    while time.monotonic() < deadline:
        if check():
            say(f"{what}: yes")
            return
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"waiting until {what} …")
        time.sleep(0.5)
    raise LabError(f"After {timeout:.0f} s it is not so that {what}.")
