#!/usr/bin/env bash
# Starts one of the two Flask systems in the foreground; SIGTERM ends it.
usage="usage: run.sh <story|best> <port> <workers> <models dir> <players db>
  models dir: one version of one game, such as models/tower/v1
  THREADS (best only, default 8, with a look-up delay 16), TUTTI_LOOKUP_DELAY_MS (default 0), HOST (default 127.0.0.1)"
set -euo pipefail
if [ $# -ne 5 ]; then echo "$usage" >&2; exit 2; fi
system="$1"; port="$2"; workers="$3"
TUTTI_MODELS_DIR="$(realpath "$4")"; TUTTI_PLAYERS_DB="$(realpath "$5")"
export TUTTI_MODELS_DIR TUTTI_PLAYERS_DB
if [ "${TUTTI_LOOKUP_DELAY_MS:-0}" = 0 ]; then default_threads=8; else default_threads=16; fi
case "$system" in
  story) flavour=(--worker-class sync) ;;
  # Threads: README.md. A connection stays open for half a minute: with the default of 2 s slow clients would connect anew for every request.
  best) flavour=(--worker-class gthread --threads "${THREADS:-$default_threads}" --keep-alive 30) ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$here/.venv"
# Two systems started at the same time share the environment: the second waits until the first has made it.
exec 9<"$here"
flock 9
wanted="$(cat "$here/requirements.txt" "$here/requirements-no-deps.txt")"
if [ ! -f "$venv/installed.txt" ] || [ "$(cat "$venv/installed.txt")" != "$wanted" ]; then
  echo "flask: preparing the Python environment (about a minute)" >&2
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements-no-deps.txt"
  printf '%s\n' "$wanted" > "$venv/installed.txt"
fi
exec 9<&-

# Math threads pinned to 1: as many processes as cores are the parallelism.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
exec "$venv/bin/gunicorn" --chdir "$here" --bind "${HOST:-127.0.0.1}:$port" --workers "$workers" "${flavour[@]}" \
  --no-control-socket --log-level warning "flask_$system:app"
