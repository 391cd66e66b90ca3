#!/bin/sh
# run_pytest.sh <python> <directory> [pytest arguments...]: the suite in that directory, or a failure that says what is missing. Never a skip: a
# machine on which the reference client cannot be had has not been tested.
set -eu
python=$1
suite=$2
shift 2

if ! "$python" -c '
import importlib.metadata as metadata
for name, version in (("nullspace-sdk", "0.1.9"), ("websockets", None), ("pytest", None), ("pytest-asyncio", None)):
    found = metadata.version(name)
    assert version in (None, found), f"{name} {found} is installed, {version} is wanted"
'; then
  echo "interop: no Python environment with tests/interop/requirements.txt at $python." >&2
  echo "interop: ./dev test makes it, from PyPI; if that failed, PyPI could not be reached." >&2
  exit 1
fi
exec "$python" -B -m pytest -q -p no:cacheprovider --import-mode=importlib "$suite" "$@"
