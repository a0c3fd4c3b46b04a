# Everything a reader needs.  `make` alone prints this list.
#
# PYTHON    the interpreter that makes .venv (3.11, 3.12 or 3.13)
# PIP_ARGS  options for pip, for instance the address of PyTorch's wheels without CUDA
# EXTRAS    what is installed beside the library: add ,workflow for Snakemake

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
	@echo "Unfolded: the paper that runs.  Targets:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'
	@echo "Variables: PYTHON (makes .venv), PIP_ARGS (options for pip), EXTRAS (more packages).  See README.md."

env: $(STAMP) ## make .venv and install the library, the companion and the tools for book and tests

$(STAMP): pyproject.toml book/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "expected Python 3.11, 3.12 or 3.13; got $$($(PYTHON) --version 2>&1);" \
	    "install one of them and run make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): minutes the first time ..."
	@$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  -c constraints.txt -e '.[$(EXTRAS)]' -e ./book
	@touch $@

notebooks: env ## execute the notebooks whose results are stale
	@$(BIN)/python -m companion execute

book: notebooks ## build the book and print the file to open
	@$(BIN)/python -m companion html

pdf: notebooks ## print the whole book into one PDF (needs Chromium or Chrome)
	@$(BIN)/python -m companion pdf

lab: env ## open the notebooks in JupyterLab, with live widgets
	@$(BIN)/jupyter lab

test: book ## check the style, then run every test (browser tests when Chromium is there)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@MPLBACKEND=Agg OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: env ## repair what the style checker can repair
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean: ## remove the built book and the executed notebooks (not .venv, not runs)
	rm -rf _build _executed
