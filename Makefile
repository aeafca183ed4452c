# Everything a checkout can do. `make` alone lists it.

# What the set-up step installs comes first; the user's own cluster and Ansible settings stay out of demos and tests.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.build/collections
unexport KUBECONFIG ANSIBLE_CONFIG

# The drills in Python read the lab's own files.
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo -E env "PATH=$$PATH")
WITH_COLLECTION := PYTHONPATH=.build/collections
LAB := tests/lab/lab
CLUSTERS ?= 1
# How many clusters `make test` spreads the drills over: they mostly wait.
LANES ?= 3
DRILL_TESTS := $(AS_ROOT) pytest -vv --durations=5
SCENARIOS := $(notdir $(patsubst %/molecule.yml,%,$(wildcard extensions/molecule/*/molecule.yml)))

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## This list
	@sed -nE 's/^([a-z%-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

venv: ## Install what a checkout needs into .venv (again only when the requirements changed)
	@tests/tools/setup.sh

demo: lab-up ## A real Kubernetes, a real leaking JVM, and the memory-leak runbook answering it
	@tests/tools/demo.sh

demo-alert: venv ## No hand on the keyboard: a fault, its alert, ansible-rulebook, the runbook, the alert resolved (ALL=yes: five incident types)
	@tests/tools/setup.sh lab
	@tests/tools/rulebook.sh
	$(LAB) up --monitoring
	@$(AS_ROOT) .venv/bin/python tests/tools/demo_alert.py $(if $(ALL),--all)

test: venv ## Everything that must pass; the drills on LANES=3 clusters beside each other
	@.venv/bin/python tests/tools/suite.py --lanes $(LANES) $(if $(AGAIN),--again)

unit: venv ## Unit tests
	pytest

matrix: venv ## Unit tests and two playbooks on Python 3.13 with ansible-core 2.20 and 2.21
	@$(AS_ROOT) tests/tools/matrix.sh

newest: venv ## The part of it that make test runs: what speaks to a cluster, and the playbooks
	@$(AS_ROOT) tests/tools/matrix.sh $(addprefix tests/unit/plugins/,plugin_utils module_utils/task module_utils/cluster)

newest-drill: venv ## A fault on a lab that is up, answered on Python 3.13 with ansible-core 2.21 (LAB_CLUSTER=lab2 for another cluster)
	@$(AS_ROOT) tests/tools/matrix.sh --drill $(LAB_CLUSTER)

exit-codes: venv ## Every runbook as installed: exit status and last words in each situation (LAB_CLUSTER=lab2), on a lab that is up
	@$(AS_ROOT) .venv/bin/python tests/tools/exit_codes.py --cluster $(or $(LAB_CLUSTER),lab1)

database: venv ## Consistency checks, dump and repair on a PostgreSQL of their own
	@tests/tools/postgresql.sh
	@tests/tools/packages.sh pgbouncer redis-server
	pytest -q tests/database

history: venv ## Alert rules by promtool, and the history of a real Prometheus
	@tests/tools/prometheus.sh
	$(WITH_COLLECTION) pytest -q tests/history

rulebook: venv ## A real ansible-rulebook, and whatever somebody may send to it (the first time installs it)
	@tests/tools/rulebook.sh
	$(WITH_COLLECTION) pytest -q tests/alerts

awx: venv ## What AWX is set up with, by the modules of awx.awx against a server that keeps what it is given
	$(WITH_COLLECTION) pytest -q tests/awx

environment: venv ## What is checked of the execution environment without building it; with KUBECONFIG_FILE also a runbook run from it
	@tests/tools/execution_environment.sh $(KUBECONFIG_FILE)

environment-lock: venv ## Write execution-environment.lock anew: every Python package of the execution environment, with hashes
	@tests/tools/environment_lock.sh

analysis: venv ## Heap dumps of real JVMs, judged by the JVM, by VisualVM's library and by a second implementation
	@tests/tools/packages.sh default-jdk-headless maven
	pytest -q tests/analysis

lint: venv ## ruff, the order of the packages, and ansible-lint (production profile)
	ruff check
	$(WITH_COLLECTION) lint-imports --no-cache --no-logo
	$(WITH_COLLECTION) .venv/bin/python tests/tools/architecture.py
	$(WITH_COLLECTION) .venv/bin/python tests/tools/causes.py
	$(WITH_COLLECTION) .venv/bin/python tests/tools/alerts.py
	ansible-lint --offline

architecture: venv ## Draw the packages anew in docs/architecture.md
	$(WITH_COLLECTION) .venv/bin/python tests/tools/architecture.py --write

schema: venv ## Write docs/schema/incident.json anew from the types of the report
	$(WITH_COLLECTION) .venv/bin/python tests/tools/schema.py

causes: venv ## Write docs/causes.md anew from the tables of causes
	$(WITH_COLLECTION) .venv/bin/python tests/tools/causes.py --write

alerts: venv ## Write the alert rules and the dashboard anew from the table of signals
	$(WITH_COLLECTION) .venv/bin/python tests/tools/alerts.py --write

sanity: venv ## ansible-test sanity, every test, no ignore file
	tests/tools/sanity.sh

docs: venv ## Check the plugins' documentation, the links between plugins, and the changelog
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=dependent --disallow-unknown-collection-refs .
	antsibull-changelog lint

package: venv ## Build the collection, install it elsewhere, verify it, and let galaxy-importer judge it
	tests/tools/package.sh

lab-up: venv ## Start the lab: a real Kubernetes with the demo shop (CLUSTERS=2 for two)
	@tests/tools/setup.sh lab
	$(LAB) up --clusters $(CLUSTERS)

lab-down: venv ## Stop the lab and leave nothing of it behind
	$(LAB) down

molecule: $(SCENARIOS:%=drill-%) ## Every molecule drill, on a lab that is up

drill-%: venv ## One molecule drill, on a lab that is up: drill-memory_leak
	@rm -rf .build/molecule/$*  # what an interrupted drill prepared does not count
	MOLECULE_EPHEMERAL_DIRECTORY=$(CURDIR)/.build/molecule/$* molecule test --no-command-borders --scenario-name $*

drill-learning: venv ## Two kinds of incidents that have no runbook: drafted from ten records, and the drafts run on a lab that is up (five minutes)
	@tests/tools/prometheus.sh
	$(AS_ROOT) pytest -vv --durations=5 tests/learning

drills: venv ## The drills in Python: changes, interruptions, bad input; on a lab that is up
	$(DRILL_TESTS) -m "not fleet and not alone" tests/drills

drills-%: venv ## One file of them: drills-data; drills-correlation needs a cluster that was just brought up
	$(DRILL_TESTS) -m "not fleet" tests/drills/test_$*.py

situations: venv ## Situations that are no fault of the lab's own, one for each kind of misjudgement; half an hour, on a lab that is up
	$(DRILL_TESTS) -rP tests/drills/situations

fleet: venv ## The drills that need three clusters, one of them dead; brings up those that are missing
	$(LAB) up --clusters 3
	$(DRILL_TESTS) -m fleet tests/drills

bench: venv ## Our runbook against the same steps in bash and in kubernetes.core, on a lab that is up
	.venv/bin/python tests/benchmarks/run.py

bench-consistency: venv ## The check of order totals against the written playbook's query, on a PostgreSQL of its own
	@tests/tools/postgresql.sh
	.venv/bin/python tests/benchmarks/consistency.py

bench-first: venv ## Which series moved first, on PetShop's labelled cases in PETSHOP=DIR (its folder dataset), beside N-sigma and random
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/first.py $(PETSHOP)

bench-gc: venv ## Garbage collection logs, speed; with GCFIXTURES=DIR also how much is read of the logs in that folder
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/gc.py $(if $(GCFIXTURES),--fixtures $(GCFIXTURES))

bench-heap: venv ## Reading heap dumps: ours, hprof-slurp, VisualVM, shark
	.venv/bin/python tests/benchmarks/heap.py

bench-history: venv ## Leaks found in seven days of memory, and false alarms, beside predict_linear
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/history.py

bench-logs: venv ## Log patterns against drain3, speed; with LOGHUB=DIR also accuracy on LogHub's labelled sets in that folder
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/logs.py $(if $(LOGHUB),--sets $(LOGHUB))

bench-nab: venv ## Change points on NAB's labelled series in NAB=DIR, beside a windowed Gaussian and random
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/nab.py $(NAB)

bench-predict: venv ## What reaches its limit in 30 days of 50 services, beside others (REAL=yes: at 15 s, from a real Prometheus)
	@$(if $(REAL),tests/tools/prometheus.sh)
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/predict.py $(if $(REAL),--real)

bench-procedures: venv ## The reads of the playbook's five procedures, one by one and as the reviewer's plan runs them, on a lab that is up
	$(AS_ROOT) env $(WITH_COLLECTION) .venv/bin/python tests/benchmarks/procedures.py

bench-readers: venv ## Connection and access logs, bytes per second by kind of line, before and now
	.venv/bin/python tests/benchmarks/readers.py

bench-redact: venv ## Redaction, bytes per second by kind of line, before and now
	$(WITH_COLLECTION) .venv/bin/python tests/benchmarks/redact.py

clean: ## Remove what make has created in this checkout (the lab stays)
	rm -rf .ansible .build .venv tests/output
