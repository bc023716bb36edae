# Two commands matter: `make demo` shows the whole road, `make test` proves it.
# Both set up what they need: Debian packages (as root), .venv, the lab's images.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m lab
IN_LAB := $(LAB) exec --
WHEELS := build/wheels
WHEELS_PYTHON := 3.11
TEST_LAB := test-$(shell pwd | cksum | cut -d" " -f1)
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	--no-annotate --no-header --no-emit-find-links

.PHONY: setup packages demo docs test test-long labs units outside mails fleet whole check bench matrix lab-up lab-down lock clean

setup: packages $(VENV)/ready

packages:
	@sh lab/packages.sh

$(VENV)/ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@# A Python without .pyc files starts Ansible twice as slowly.
	$(BIN)/python -m compileall -q $(VENV)/lib dispatcher lab >/dev/null || true
	touch $@

demo: setup lab-up
	@$(IN_LAB) $(BIN)/python -m lab.demo

# Four rows side by side, as each waits a lot. Those that need a lab around them have one of their own (one that
# somebody looks around in stays as it is), and `labs` starts some itself: more than Linux has room for by default.
SHORT := and not long
ROW := $(MAKE) --no-print-directory --jobs=1 --keep-going SHORT="$(SHORT)"
test test-long: setup
	$(BIN)/python tests/roles/fail2ban_access/servers.py
	@[ "$$(cat /proc/sys/fs/inotify/max_user_instances)" -ge 512 ] || \
	sysctl -w fs.inotify.max_user_instances=512 || echo "no room for four labs: some will run without systemd"
	@mkdir -p build; trap 'kill $$mails $$fleet $$whole 2>/dev/null' EXIT; \
	$(ROW) mails >build/mails.log 2>&1 & mails=$$!; \
	$(ROW) labs fleet >build/fleet.log 2>&1 & fleet=$$!; \
	$(ROW) whole units >build/whole.log 2>&1 & whole=$$!; \
	$(ROW) check outside; outside=$$?; \
	echo "What ran beside these: build/mails.log, build/fleet.log, build/whole.log"; \
	wait $$whole; whole_rc=$$?; tail -n +1 build/whole.log; \
	wait $$fleet; fleet_rc=$$?; tail -n +1 build/fleet.log; \
	wait $$mails; mails_rc=$$?; tail -n +1 build/mails.log; \
	exit $$((outside + whole_rc + fleet_rc + mails_rc))

labs:
	$(BIN)/pytest -m "not lab $(SHORT)" tests/lab

units:
	$(BIN)/pytest -m "not lab $(SHORT)" tests/unit

outside:
	$(BIN)/pytest -m "not lab $(SHORT)" --ignore tests/lab --ignore tests/unit tests

# What takes the whole road at once: a storm of failures, an installation, every page's commands.
WHOLE := tests/chaos tests/acceptance/test_doctor.py tests/acceptance/test_documents.py \
	tests/acceptance/test_installed.py tests/acceptance/test_installed_on_two.py tests/integration/test_contributing.py
whole: INSIDE := $(WHOLE)
mails: INSIDE := tests/acceptance
fleet: INSIDE := tests/lab tests/roles tests/integration tests/hostile
whole: $(WHEELS)/ready
mails fleet: OTHERS := $(WHOLE:%=--ignore %)
mails fleet whole:
	@set -e; trap '$(LAB) down --name $(TEST_LAB)-$@' EXIT; $(LAB) up --fresh --ttl 5400 --name $(TEST_LAB)-$@; \
	$(LAB) exec --name $(TEST_LAB)-$@ -- $(BIN)/pytest -m "lab $(SHORT)" $(OTHERS) $(INSIDE)

test-long: SHORT :=
test-long: asterisk

asterisk: setup
	$(BIN)/python tests/roles/mac_binding/asterisk.py

# Every Python and ansible-core that the project works with, with a table at the end: docs/VERSOES.md. Half an hour.
matrix: setup
	$(BIN)/python tests/roles/fail2ban_access/servers.py
	@$(BIN)/python -m tests.matrix

# Wheels for a machine without an index, as the lab's: dispatcher_wheelhouse of playbooks/site.yml. For the Python
# of such a machine, here of the lab's audio2.
$(WHEELS)/ready: requirements/runtime-postgres.txt requirements/build.txt | setup
	rm -rf $(WHEELS); mkdir -p $(WHEELS)
	$(BIN)/pip download --quiet --no-deps --require-hashes --python-version $(WHEELS_PYTHON) --dest $(WHEELS) \
		--requirement requirements/runtime-postgres.txt
	$(BIN)/pip download --quiet --no-deps --require-hashes --dest $(WHEELS) --requirement requirements/build.txt
	touch $@

# Speed and memory beside other programs, to be read by a person: no part of any test. See benchmarks/README.md.
BENCH := build/bench
bench: setup $(BENCH)/ready
	@set -e; trap '$(LAB) down --name bench' EXIT; $(LAB) up --fresh --ttl 5400 --name bench; \
	$(LAB) exec --name bench -- $(BIN)/python -m benchmarks.collect --tools $(BENCH)/bin
	@$(BIN)/python -m benchmarks.million --folder $(BENCH)
	@$(BIN)/python -m benchmarks.queue --folder $(BENCH)
	@$(BIN)/python -m benchmarks.admission

$(BENCH)/ready: benchmarks/tools.sh
	sh benchmarks/tools.sh $(BENCH) $(BIN)/python
	touch $@

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	@if [ -x $(BIN)/ansible-lint ]; then ANSIBLE_HOME=$(CURDIR)/.ansible $(BIN)/ansible-lint --offline; \
	else echo "ansible-lint needs Python 3.11: roles and playbooks are not linted here"; fi

# The pages of docs/ that are made from the program: after a command, a verb, an option or a sentence has changed.
docs: setup
	@$(BIN)/python -m dispatcher.manual docs

lab-up: setup
	@$(LAB) up

lab-down:
	@$(LAB) down

lock:
	$(UV_COMPILE) --upgrade --extra dev --extra deploy --extra postgres pyproject.toml --output-file requirements/dev.txt
	$(UV_COMPILE) --constraint requirements/dev.txt pyproject.toml --output-file requirements/runtime.txt
	$(UV_COMPILE) --constraint requirements/dev.txt --extra postgres pyproject.toml \
		--output-file requirements/runtime-postgres.txt
	$(UV_COMPILE) --constraint requirements/dev.txt --extra postgres --extra ara pyproject.toml \
		--output-file requirements/runtime-ara.txt
	$(UV_COMPILE) --constraint requirements/dev.txt --extra deploy pyproject.toml --output-file requirements/deploy.txt
	@# What has no wheel is built with it, on the machine that it is installed on.
	echo setuptools | $(UV_COMPILE) --constraint requirements/deploy.txt - --output-file requirements/build.txt

clean:
	-$(LAB) down
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible
