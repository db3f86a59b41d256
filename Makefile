PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast test-long check mutate chaos fuzz train-pocket clean

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rushes needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev,local,web]'
	@touch $@

demo: $(VENV)/.installed
	@mkdir -p out
	$(BIN)/rushes render timelines/evolution.json --preset pocket --input timelines/meadow.mp4 --output out/evolution.mp4 --enlarge 6 --force
	@echo "Next: look at out/evolution.mp4 and out/evolution.mp4.png, then change a prompt in timelines/short-text.json and render it: $(BIN)/rushes render timelines/short-text.json --preset pocket --enlarge 6 -o out/text.mp4"

# Three files of tests at a time, one thread each: on two cores, since tests of farms mostly wait. In
# the order of the folders: those that wait most come first, and no long one is left at the end.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 2

# For the daily loop: without what starts farms, renders much or builds models of full size.
test-fast: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow and not long' \
		tests/renderer tests/golden tests/queue/jobs tests/queue/storage tests/queue/settings \
		tests/test_layout.py tests/test_rooms.py --ignore tests/renderer/weights/test_full_size.py \
		--ignore tests/renderer/rendering --ignore tests/renderer/test_api.py \
		--ignore tests/golden/test_timeline.py \
		--ignore tests/renderer/timeline/read/test_fuzz.py --ignore tests/queue/jobs/test_document_fuzz.py

# What 'make test' leaves out: full-size checkpoints, long faults, and everything on a bucket as well.
test-long: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 2 -m long

check: $(VENV)/.installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_rooms.py tests/test_docs_links.py tests/test_image.py

mutate: $(VENV)/.installed
	$(BIN)/python tools/mutate.py

chaos: $(VENV)/.installed
	PYTHONPATH=tests/support $(BIN)/python -m farm.chaos

# Thousands of damaged documents, videos, LoRAs and weight files through the commands.
fuzz: $(VENV)/.installed
	OMP_NUM_THREADS=1 PYTHONPATH=tests/support $(BIN)/python -m farm.fuzz

train-pocket: $(VENV)/.installed
	PYTHONPATH=training $(BIN)/python -m rushes_training

clean:
	rm -rf $(VENV) out
