#!/bin/sh
# tools/environment.sh runtime|development|fuzzing DIR: make the virtual environment DIR anew from pyproject.toml.
#   runtime      vrrpd and what it needs to run: what a node has
#   development  also the group "dev", what builds vrrpd, and in DIR/wheels what a node without a network installs
#   fuzzing      vrrpd and the group "fuzz"
# All take vrrpd from the working tree as it is at any time. DIR/made says that it is whole.
set -eu

# requirements KEY...: the list that stands there in pyproject.toml, one a line.
requirements() {
    "$directory/bin/python" -c '
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    table = tomllib.load(file)
for key in sys.argv[1:]:
    table = table[key]
print(*table, sep="\n")' "$@"
}

pip() {
    "$directory/bin/python" -m pip --disable-pip-version-check "$@"
}

kind=$1 directory=$2
"${PYTHON:-python3}" -m venv --clear "$directory"
case $kind in
runtime)
    pip install --quiet --editable .
    ;;
development)
    { requirements dependency-groups dev; requirements build-system requires; } >"$directory/requirements.txt"
    pip install --quiet --editable . --requirement "$directory/requirements.txt"
    requirements project dependencies >"$directory/requirements.txt"
    pip wheel --quiet --wheel-dir "$directory/wheels" --requirement "$directory/requirements.txt"
    ;;
fuzzing)
    requirements dependency-groups fuzz >"$directory/requirements.txt"
    pip install --quiet --editable . --requirement "$directory/requirements.txt"
    ;;
esac
touch "$directory/made"
