# Thin targets: each calls a tool that can be called by hand. `make demo` and `make test` set up everything.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format setup clean

demo: $(READY)  ## The whole job on drawn images, in ./demo
	$(BIN)/preannotate demo --output demo

test: $(READY)  ## All tests
	$(BIN)/python -m pytest

check: $(READY)  ## Formatter and linters
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/shellcheck -x deploy.sh builder/deploy/*.sh

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[train,lite0,build,import,int8,serve,cvat,studio,dev]"
	touch $@

clean:
	rm -rf $(VENV) demo
