# The two commands of the README are `make demo` and `make test`; each makes the environment first.
PYTHON ?= python3
# Seconds that the demo trains. The samples in the README took the default; CI takes less, on the same code path.
DEMO_SECONDS ?= 290

# Tests at once, of one thread each: two cores, or more where there are.
TEST_PROCESSES ?= 2

VENV := .venv
RUN := $(VENV)/bin/python
PACKAGES := benchmarks callbacks datamodules evaluation experiment lightning_modules losses metrics networks packs \
	preparing sampling slurm tensor_files video_io
INSTALLED := $(VENV)/.installed

.PHONY: setup demo test test-slow lint clean

setup: $(INSTALLED)

# A changed requirements.txt is installed into the same environment; nothing changed, nothing done.
$(INSTALLED): requirements.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	touch $@

# A CPU without bfloat16 instructions is faster, if slow, in float32.
DEMO_PRECISION ?= $(shell grep -qs bf16 /proc/cpuinfo && echo bf16-mixed || echo 32-true)

demo: setup
	$(RUN) train.py --config conf/demo.yaml --trainer.accelerator cpu --trainer.precision $(DEMO_PRECISION) \
		--trainer.max_time 00:00:$$(printf '%02d:%02d' $$(( $(DEMO_SECONDS) / 60 )) $$(( $(DEMO_SECONDS) % 60 )))

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy train.py evaluate.py sample.py prepare.py $(PACKAGES)

test: lint
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses $(TEST_PROCESSES) -m "not slow"

test-slow: setup
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile -m slow

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
