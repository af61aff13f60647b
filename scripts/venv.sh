#!/bin/sh
# Make the virtual environment $1 with a pip that knows dependency groups.
set -eu
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "natskit needs Python 3.11 or newer; $python is older. Try: make PYTHON=python3.12" >&2
    exit 1
}
[ -x "$1/bin/python" ] || "$python" -m venv "$1"
"$1/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
