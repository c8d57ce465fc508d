# Thin targets: each calls a tool that can be called by hand. Every target but `help` and `clean` sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# All extras that go together; `train-gpu` and `serve-gpu` replace `train` and `serve` where there is a GPU.
EXTRAS := train,lite0,build,import,int8,serve,cvat,studio,dev
# Test processes; two of them use two cores well, for many tests wait for processes of their own.
JOBS ?= 2

.PHONY: help demo setup test test-all check format image image-gpu open constraints clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: $(READY)  ## The whole job on synthetic images, in ./demo
	$(BIN)/preannotate demo --output demo

test: $(READY)  ## The tests, without the long forms of what they cover
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

test-all: $(READY)  ## All tests: trainings, real builds, the browser, memory, both versions of CVAT
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(READY)  ## Formatter, linters and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck -x deploy.sh builder/deploy/*.sh

format: $(READY)  ## Format the code and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

image:  ## The Docker image for CPUs; see docs/docker.md
	docker compose build

image-gpu:  ## The Docker image with CUDA's libraries
	docker compose -f compose.yaml -f compose.gpu.yaml build

open:  ## Print the address that logs in to the studio of `docker compose up`, and open a browser
	@address=$$(docker compose exec -T studio preannotate studio --print-login) && echo "$$address" && \
	    $(PYTHON) -m webbrowser "$$address" >/dev/null 2>&1 || true

setup: $(READY)  ## The virtual environment in ./.venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

constraints:  ## Renew constraints.txt: the newest versions that pyproject.toml allows
	rm -rf $(VENV).new
	$(PYTHON) -m venv $(VENV).new
	$(VENV).new/bin/python -m pip install --quiet --upgrade pip
	$(VENV).new/bin/python -m pip install --quiet --editable ".[$(EXTRAS)]"
	{ sed -n '/^#/p' constraints.txt; $(VENV).new/bin/python -m pip freeze --exclude-editable; } > constraints.txt.new
	mv constraints.txt.new constraints.txt
	rm -rf $(VENV).new

clean:  ## Remove the virtual environment, the demonstration and what tests keep
	rm -rf $(VENV) demo .cache
