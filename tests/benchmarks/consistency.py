"""The check of order totals: the written playbook's query against ours, on a PostgreSQL of its own, in one run.

Items lie in random physical order. Three situations: no index on order_items.order_id, a plain one, and a covering one.
Without an index, and for a large size, the playbook's query is run for a sample of orders and extrapolated, and that is said.
Then all built-in rules and pg_dump of the same snapshot, each alone and both at once; and the memory that this process
takes for a result of as many rows as there are items. Prints times and ratios; asserts only that every planted row is found.
Beside the time stands the processor time of the server, which other work on the machine hardly touches.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "database"), str(ROOT / ".build" / "collections")]

from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _findings, _rules, _run  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._rules import Rule  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency._state import State  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._data._database import _dump  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._database import Database  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._data._database._exported import Snapshot, exported_snapshot  # noqa: E402
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore  # noqa: E402
from postgres_server import Server, load_shop, temporary_server  # noqa: E402

PLAYBOOK = """SELECT count(*) FROM orders o WHERE total != (SELECT sum(quantity * price) FROM order_items WHERE order_id = o.id)"""
INDEXES = {"no index": "", "plain index": "(order_id)", "covering index": "(order_id) INCLUDE (quantity, price)"}
#: of orders: totals that are wrong, totals that are missing, orders without items
WRONG, MISSING, EMPTY = 84, 2500, 2500
TRIAL = 200_000
#: a prime, so that order_id visits every order in an order of its own
STRIDE = 15_485_863


def main() -> None:
    """Load, measure, print."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that the server goes, and its gigabytes
    if options.rows_of:
        return export_everything(options.rows_of, options.format)
    with temporary_server(options.directory, shared_buffers="512MB", max_wal_size="8GB", maintenance_work_mem="256MB") as server:
        load_shop(server)
        orders = options.orders
        if options.load_seconds:
            # Sorting grows a little faster than the number of rows.
            orders = int(TRIAL * 0.8 * options.load_seconds / load(server, TRIAL))
        print(f"loaded {orders:,} orders and {5 * orders:,} items in {load(server, orders):.0f} s, "
              f"{size(server)} with the key's index", flush=True)
        compare(server, orders, options.playbook_orders)
        together(server, options.directory)
        for form in ("csv", "parquet"):
            subprocess.run([sys.executable, __file__, "--rows-of", f"{server.port}", "--format", form], check=True)
    return None


def arguments() -> argparse.Namespace:
    """What is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders; each has five items")
    parser.add_argument("--load-seconds", type=float, help="as many orders as are loaded in about that time, instead")
    parser.add_argument("--playbook-orders", type=int, default=2_000_000, help="up to so many, the playbook's query is run in full")
    parser.add_argument("--directory", help="parent of the server's directory")
    parser.add_argument("--rows-of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--format", choices=["csv", "parquet"], help=argparse.SUPPRESS)
    return parser.parse_args()


def load(server: Server, orders: int) -> float:
    """Items in random physical order, then the orders that they add up to, but for those that are planted; seconds."""
    started = time.monotonic()
    server.execute("TRUNCATE orders, order_items, audit_log", "shop")
    server.execute("ALTER TABLE order_items DROP CONSTRAINT IF EXISTS order_items_order_id_fkey, DROP CONSTRAINT IF EXISTS "
                   "one_line_per_product", "shop")
    server.execute(f"""INSERT INTO order_items (id, order_id, product, quantity, price)
        SELECT n, 1 + n * {STRIDE} % {orders}, 'product-' || (n - 1) / {orders}, 1 + n % 5, (100 + n % 9000)::numeric / 100
        FROM generate_series(1, {5 * orders}::bigint) n""", "shop")
    server.execute(f"""INSERT INTO orders (id, customer, total, created_at)
        SELECT order_id, 'customer-' || order_id % 50000, CASE WHEN order_id % {MISSING} = 1 THEN NULL
               WHEN order_id % {WRONG} = 0 THEN 1 + sum(quantity * price) ELSE sum(quantity * price) END,
               timestamptz '2026-01-01' + order_id * interval '1 second'
        FROM order_items GROUP BY order_id ORDER BY order_id""", "shop")
    server.execute(f"""INSERT INTO orders (id, customer, total)
        SELECT {orders} + n, 'customer-' || n, 10 FROM generate_series(1, {orders // EMPTY}) n""", "shop")
    server.execute("VACUUM ANALYZE", "shop")
    return time.monotonic() - started


def size(server: Server) -> str:
    """Of the two tables."""
    return server.execute("SELECT pg_size_pretty(pg_total_relation_size('orders') + pg_total_relation_size('order_items'))", "shop")[0][0]


def compare(server: Server, orders: int, in_full: int) -> None:
    """The three situations."""
    missing = (orders + MISSING - 2) // MISSING
    wrong = sum(1 for number in range(WRONG, orders + 1, WRONG) if number % MISSING != 1)
    planted = missing + wrong + orders // EMPTY
    print(f"planted {planted:,}: {wrong:,} wrong totals, {missing:,} missing ones, {orders // EMPTY:,} orders without items\n")
    print(f"{'':16}{'playbook':>10}{'CPU':>8}{'found':>18}{'ours':>12}{'CPU':>8}{'found':>11}{'ratio':>13}{'CPU':>13}  how ours reads")
    print(f"{'':16}{'(where only a sample of orders was run, its time is extrapolated)'}")
    for name, columns in INDEXES.items():
        server.execute("DROP INDEX IF EXISTS benchmark", "shop")
        if columns:
            server.execute(f"CREATE INDEX benchmark ON order_items {columns}", "shop")
        server.execute("VACUUM ANALYZE order_items", "shop")
        sample = {"": 4}.get(columns, orders if orders <= in_full else in_full // 20)
        began = processor(server)
        theirs, found = playbook(server, orders, sample)
        their_work, began = (processor(server) - began) * (orders // sample), processor(server)
        ours, finding = our_check(server.database("shop"))
        our_work = processor(server) - began
        if finding["count"] != planted:
            raise SystemExit(f"{name}: {finding['count']} found, {planted} planted")
        they_found = f"of {sample:,}: {found:,}" if sample < orders else f"{found:,}"
        print(f"{name:16}{duration(theirs):>10}{duration(their_work):>8}{they_found:>18}{ours:>10.1f} s{our_work:>6.1f} s"
              f"{finding['count']:>11,}{theirs / ours:>12,.1f}x{their_work / our_work:>12,.1f}x  {finding['way']}: {finding['why']}", flush=True)


def processor(server: Server) -> float:
    """Seconds of processor time of all sessions that have ended."""
    time.sleep(0.2)  # until the postmaster has noticed the last one
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def playbook(server: Server, orders: int, sample: int) -> tuple[float, int]:
    """Seconds for all orders, and how many it finds in the sample."""
    step = orders // sample
    condition = f" AND o.id % {step} = 0" if step > 1 else ""
    started = time.monotonic()
    [(found,)] = server.execute(PLAYBOOK + condition, "shop")
    return (time.monotonic() - started) * step, found


def our_check(database: Database) -> tuple[float, dict[str, t.Any]]:
    """Seconds with snapshot, strategy and export, and the finding."""
    rule = next(rule for rule in _rules.load([], []) if rule.name == "order_total_differs")
    started = time.monotonic()
    [finding] = check(database, [rule])
    return time.monotonic() - started, finding


def check(database: Database, rules: list[Rule], snapshot: Snapshot | None = None, **shown: t.Any) -> list[dict[str, t.Any]]:
    """As the module does, into a directory that goes."""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        snapshot = snapshot or stack.enter_context(exported_snapshot(database))
        state = State(directory / "state", rules)
        errors = _run.check(database.connect, snapshot, rules, state)
        if errors:
            raise SystemExit("; ".join(errors.values()))
        store = EvidenceStore(str(directory), "benchmark", "test")
        return _findings.findings(rules, state, errors, _findings.Options(**shown), store, "check")[0]


def together(server: Server, directory: str | None) -> None:
    """All rules, the dump, and both at once on one snapshot."""
    database, rules = server.database("shop"), _rules.load([], [])

    def dump(snapshot: Snapshot) -> None:
        with tempfile.TemporaryDirectory(dir=directory) as parent:
            _dump.dump(database, snapshot, pathlib.Path(parent), _dump.Options(2, 1, "", 30.0), lambda line: None)

    def timed(*works: t.Callable[[Snapshot], t.Any]) -> float:
        started = time.monotonic()
        with exported_snapshot(database) as snapshot:
            threads = [threading.Thread(target=work, args=(snapshot,)) for work in works]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return time.monotonic() - started

    def all_rules(snapshot: Snapshot) -> None:
        check(database, rules, snapshot)

    alone, dumped, both = timed(all_rules), timed(dump), timed(all_rules, dump)
    print(f"\nall {len(rules)} rules {alone:.1f} s, dump {dumped:.1f} s, both at once {both:.1f} s: "
          f"{both / max(alone, dumped):.2f} times the longer, {both / (alone + dumped):.2f} times one after the other", flush=True)


def export_everything(port: int, form: str) -> None:
    """In a process of its own: a rule that every item breaks; the memory that it takes."""
    rule = _rules.parse([{"name": "every_item", "kind": "sql", "description": "every item", "key": "id", "customer": "customer",
                          "amount": "price", "sample": ["product", "quantity"],
                          "query": "SELECT *, 'customer-' || order_id AS customer FROM order_items"}])
    started = time.monotonic()
    database = Server(pathlib.Path(), port, 0).database("shop")
    [finding] = check(database, rule, parquet_above=0 if form == "parquet" else sys.maxsize)
    export = finding["export"]
    print(f"{finding['count']:,} affected rows of {finding['customers']:,} customers as {export['format']}: {export['bytes'] / 1e6:,.0f} MB, "
          f"{time.monotonic() - started:.0f} s, at most {most_memory():.0f} MB of memory", flush=True)


def most_memory() -> float:
    """MB that this process has taken at most; what getrusage says would include the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024


def duration(seconds: float) -> str:
    """Readable."""
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
