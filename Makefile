# The two commands of the README are `make demo` and `make test`; each makes the environment first.
PYTHON ?= python3
# Minutes that the demo trains. The samples in the README took the default; CI takes less, on the same code path.
DEMO_MINUTES ?= 5

VENV := .venv
RUN := $(VENV)/bin/python
PACKAGES := lightning_modules networks losses metrics datamodules video_io callbacks
INSTALLED := $(VENV)/.installed

.PHONY: setup demo test test-all lint clean

setup: $(INSTALLED)

# A changed requirements.txt is installed into the same environment; nothing changed, nothing done.
$(INSTALLED): requirements.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	touch $@

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy train.py $(PACKAGES)

test: lint
	$(RUN) -m pytest

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
