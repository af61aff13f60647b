# Everything a fresh checkout needs: Python 3.11 or newer, a C compiler, and for the tests Node.js with npm.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 2
SOURCES := $(shell find src -name '*.py' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi')

.PHONY: demo test lint type imports fuzz bench soak clean tools

demo: $(VENV)/.installed
	$(BIN)/python scripts/demo.py

test: $(VENV)/.test tools
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/python -m pytest -q tests/test_imports.py

fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group fuzz
	$(BIN)/python -m fuzz

bench: $(VENV)/.test tools
	$(BIN)/python -m bench

# Ten minutes of everything at once; fails if anything grows that must not.
soak: $(VENV)/.test
	$(BIN)/python -m bench.soak $(SOAK_ARGS)

# The real programs that tests compare with, each in a folder of its own.
tools: $(VENV)/.installed
	sh scripts/tools.sh

$(VENV)/.pip: scripts/venv.sh
	PYTHON=$(PYTHON) sh scripts/venv.sh $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.pip pyproject.toml setup.py $(SOURCES)
	$(BIN)/python -m pip install --quiet .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group test --group lint
	touch $@

clean:
	rm -rf $(VENV) .tools build dist src/*.egg-info
