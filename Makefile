# Thin aliases of dev.py, which sets everything up first. Arguments: make test ARGS="tests/domain -q"
PYTHON ?= python3
ARGS ?=

.PHONY: demo test check up run doctor replay lock bench setup

demo test check up run doctor replay lock bench setup:
	@$(PYTHON) dev.py $@ $(ARGS)
