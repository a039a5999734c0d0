# make setup   .venv with everything, the BlazePose model included
# make demo    the whole way on the project's own film, on this machine
# make test    style, types and tests, JOBS=2 of them at a time
# make ros-test  colcon build and colcon test, where a ROS 2 is sourced
# make rviz-picture  docs/rviz.jpg, where a ROS 2 with rviz2 and this package are sourced
# make film    render the films of bodypose3d_ros/data again
# make mutants  mutation tests of perception/: hours; SAMPLE=400 SEED=1 draws some, PART=NAME* takes a part
# make fuzz    bad messages and files, many more of them than make test: FUZZ_CASES=100000
# make soak    the node for minutes before cameras that fail at random: SOAK="--seconds 3600"
# make audit   known holes in what pip installs
# make triton  Triton's own server, for its tests and python -m benchmarks.remote
# make peer    compare with mediapipe itself: results, time, processor
.PHONY: setup demo film peer triton fuzz soak audit test mutants ros-test rviz-picture lint clean

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

setup: $(READY)

# setuptools warns of every editable installation beside its own sources, which this one is.
# Debian's Python may come without ensurepip, which venv needs: virtualenv does without.
$(READY): pyproject.toml setup.py $(wildcard msg/*.msg)
	@echo 'making .venv (2 GB): minutes, in which pip says nothing'
	@$(PYTHON) -m venv .venv 2>/dev/null || { \
	  rm -rf .venv && \
	  $(PYTHON) -m pip install --quiet --target .virtualenv virtualenv && \
	  PYTHONPATH=.virtualenv $(PYTHON) -m virtualenv --quiet .venv; }
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@PYTHONWARNINGS='ignore:Editable installation' \
	  $(BIN)/python -m pip install --quiet --editable '.[batch,dds,film,test,view]'
	$(BIN)/bodypose3d models fetch blazepose
	@touch $@

demo: setup
	$(BIN)/bodypose3d demo --out out

film: setup
	$(BIN)/python -m tools.film

# mediapipe holds numpy below 2 and ends at Python 3.12: it gets an environment of its own.
peer: setup
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/python -m pip install --quiet mediapipe==0.10.21 'numpy<2' --editable .
	.venv-peer/bin/bodypose3d models fetch blazepose
	.venv-peer/bin/bodypose3d models fetch blazepose-int8
	.venv-peer/bin/python -m benchmarks.mediapipe_peer
	.venv-peer/bin/python -m benchmarks.mediapipe_speed --model blazepose blazepose-int8

# The wheel is the server and what runs Python in it, whose numpy is below 2; none of what it wants
# besides is run.
triton:
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/python -m pip install --quiet onnxruntime 'numpy<2'
	.venv-triton/bin/python -m pip install --quiet --no-deps 'nvidia-pytriton>=0.7,<0.8'

FUZZ_CASES ?= 10000
fuzz: setup
	FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -q test/test_fuzz.py

soak: setup
	$(BIN)/bodypose3d models fetch blazepose
	$(BIN)/python -m benchmarks.soak $(SOAK)

# An environment of its own: what audits is no dependency.
audit: setup
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet 'pip-audit>=2.7,<3'
	$(BIN)/python -m pip freeze --exclude-editable > .venv-audit/installed.txt
	.venv-audit/bin/pip-audit --disable-pip --no-deps --requirement .venv-audit/installed.txt

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

# Live tests wait more than they work.
JOBS ?= 2
test: lint
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

# mutmut wants newer versions of what the program uses: it gets an environment of its own. A sample
# needs Python 3.11.
mutants: setup
	$(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/python -m pip install --quiet 'mutmut>=3.8,<4' --editable '.[dds,film,test]'
ifdef SAMPLE
	.venv-mutants/bin/python -m tools.mutants --sample $(SAMPLE) $(if $(SEED),--seed $(SEED))
else
	.venv-mutants/bin/mutmut run $(PART)
	.venv-mutants/bin/mutmut results
endif

COLCON := colcon --log-base build/colcon/log
COLCON_WHERE := --build-base build/colcon/build --install-base build/colcon/install

ros-test:
	$(COLCON) build --paths . $(COLCON_WHERE)
	$(COLCON) test --paths . $(COLCON_WHERE) --event-handlers console_direct+ \
	  --return-code-on-test-failure

rviz-picture:
	$(PYTHON) -m tools.rviz_picture

clean:
	rm -rf .venv .venv-peer .venv-triton .venv-audit .venv-mutants .virtualenv mutants out build dist \
	  *.egg-info .mypy_cache .pytest_cache .ruff_cache
