#!/usr/bin/env bash
# Makes the virtual environment when it is missing or outdated, then trains. Arguments go to `python -m training`.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$here/.venv"
wanted="$(cat "$here/requirements.txt" "$here/requirements-no-deps.txt")"
if [ ! -f "$venv/installed.txt" ] || [ "$(cat "$venv/installed.txt")" != "$wanted" ]; then
  echo "training: preparing the Python environment (about a minute)" >&2
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements-no-deps.txt"
  printf '%s\n' "$wanted" > "$venv/installed.txt"
fi
cd "$here/.."
exec nice -n 10 "$venv/bin/python" -m training "$@"
