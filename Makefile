# The commands for readers and developers. `make` without a target lists them.
#
# PYTHON    the interpreter that creates .venv (3.11, 3.12 or 3.13)
# PIP_ARGS  options of pip, for example the address of PyTorch's wheels without CUDA
# EXTRAS    optional dependencies to install; add ,workflow for Snakemake

PYTHON   ?= python3
PIP_ARGS ?=
EXTRAS   ?= book,test
VENV     := .venv
BIN      := $(VENV)/bin
STAMP    := $(VENV)/.installed
HTML     := _build/html/index.html

.DEFAULT_GOAL := help
.PHONY: help env notebooks book pdf lab test lint clean

help: ## list the targets
	@echo "Unfolded: the paper that runs. Targets:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
	@echo "Variables: PYTHON (creates .venv), PIP_ARGS (options of pip), EXTRAS (optional dependencies). See README.md."

env: $(STAMP) ## create .venv and install the library, the companion and the tools for book and tests

# Python compiles a module at its first import; pip would compile all of them, for half of its time.
$(STAMP): pyproject.toml book/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "expected Python 3.11, 3.12 or 3.13; got $$($(PYTHON) --version 2>&1);" \
	    "install one of them and run make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): the first time this takes minutes ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --no-compile $(PIP_ARGS) \
	  -c constraints.txt -e '.[$(EXTRAS)]' -e ./book
	@touch $@

notebooks: env ## execute the notebooks with stale results
	@$(BIN)/python -m companion execute

book: notebooks ## build the book and print the file to open
	@$(BIN)/python -m companion html

pdf: notebooks ## print the whole book into one PDF (requires Chromium or Chrome)
	@$(BIN)/python -m companion pdf

lab: env ## open the notebooks in JupyterLab, with live widgets
	@$(BIN)/jupyter lab

test: book ## check the style, then run all tests (browser tests if Chromium is installed)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@MPLBACKEND=Agg OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: env ## correct the violations that the style checker can correct
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove the built book and the executed notebooks (not .venv, not runs)
	rm -rf _build _executed
