# The words that a person types; how each is done stands in tools/.
PYTHON ?= python3
export PYTHON

RUNTIME := .venv
DEVELOPMENT := .venv-dev
TOOL := $(DEVELOPMENT)/bin
FUZZING := .venv-fuzz
SECONDS ?= 60
# Tests mostly wait for what happens in real time; more at once than this and some of it comes late on two cores.
WORKERS ?= 4

CORE := addresses agenda checks engine firewall frames fsm grid groups installed links model pacing packet record routes \
	rules telling tracking vectors watching
CORE_TESTS := $(foreach noun,$(CORE),$(wildcard tests/test_$(noun)*.py)) tests/rfc

.PHONY: help demo test check coverage bench soak fuzz mutants explore setup clean programs-demo programs-test
.NOTPARALLEL:

help: ## say what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: $(RUNTIME)/made ## set everything up and watch two nodes fail over, in network namespaces of this machine
	$(RUNTIME)/bin/vrrpd lab

test: check ## set everything up, then check and run every test
	$(TOOL)/python -m pytest --numprocesses $(WORKERS)

check: $(DEVELOPMENT)/made ## what can be said without running it: style, types, direction of imports; takes seconds
	$(TOOL)/ruff check .
	$(TOOL)/ruff format --check .
	$(TOOL)/mypy
	$(TOOL)/lint-imports
	$(TOOL)/python -m tests.rfc --check
	$(TOOL)/python -m tests.keywords --check

coverage: $(DEVELOPMENT)/made ## which branches of the core its own tests do not reach: none, or it fails; takes a minute
	rm -f .coverage .coverage.*
	$(TOOL)/coverage run -m pytest $(CORE_TESTS)
	$(TOOL)/coverage combine --quiet
	$(TOOL)/coverage report --fail-under=100

bench: setup ## vrrpd beside keepalived, in figures; never fails because of them
	$(RUNTIME)/bin/python -m tests.bench

soak: setup ## reload a serving Master thousands of times, and say what it cost
	$(RUNTIME)/bin/python -m tests.soak

fuzz: $(FUZZING)/made ## vary what comes from outside, SECONDS=60 for each target and engine; what is found becomes a test
	for target in packet receive config language; do \
		$(FUZZING)/bin/python -m tests.fuzz $$target --seconds $(SECONDS) && \
		$(FUZZING)/bin/python -m tests.fuzz $$target --seconds $(SECONDS) --engine atheris || exit 1; \
	done

mutants: $(DEVELOPMENT)/made ## change the core in one place at a time and see whether a test notices; takes minutes
	$(TOOL)/python -m tests.mutants

explore: $(DEVELOPMENT)/made ## every order of what can happen to two or three nodes; takes long, and says how many states there are
	$(TOOL)/python -m tests.explore

setup: $(RUNTIME)/made $(DEVELOPMENT)/made ## install what is missing and make both environments, and no more

clean: ## remove the environments and what the tools remember
	rm -rf $(RUNTIME) $(DEVELOPMENT) $(FUZZING) dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(RUNTIME)/made: pyproject.toml tools/environment.sh | programs-demo
	tools/environment.sh runtime $(RUNTIME)

$(DEVELOPMENT)/made: pyproject.toml tools/environment.sh | programs-test
	tools/environment.sh development $(DEVELOPMENT)

$(FUZZING)/made: pyproject.toml tools/environment.sh
	tools/environment.sh fuzzing $(FUZZING)

programs-demo:
	@tools/programs.sh demo

programs-test:
	@tools/programs.sh test
