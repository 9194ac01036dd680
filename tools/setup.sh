#!/usr/bin/env bash
# Makes .venv with Python 3.10 and the locked packages. A second call finds its stamp and returns.
# PYTHON=/path/to/python3.10 names an interpreter to try first.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # with it every import of TensorFlow compiles it anew

lock=requirements/py310.txt
stamp=.venv/.installed-$(cat "$lock" requirements/uv.txt setup.py | sha256sum | cut -c1-16)
[ -e "$stamp" ] && exit 0

# A `python3.10` on the PATH may be a shim that fails, so each candidate is tried by running it.
works() { "$1" -c 'import ssl, sys, venv; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1; }
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.10 python3 "$HOME"/.pyenv/versions/3.10*/bin/python \
    /usr/bin/python3.10 /usr/local/bin/python3.10 /opt/*/bin/python3.10 "$(uv python find 3.10 2>/dev/null || true)"; do
    if [ -n "$candidate" ] && works "$candidate"; then echo "$candidate"; return; fi
  done
  return 1
}
python=$(find_python) || {
  echo "No working Python 3.10 found, which the TFX packages need. Install it (for example" >&2
  echo "'apt-get install python3.10 python3.10-venv', 'pyenv install 3.10' or 'uv python install" >&2
  echo "3.10') and run this again, or name it: make PYTHON=/path/to/python3.10 ..." >&2
  exit 1
}

echo "Setting up .venv with $("$python" --version) ($python); this takes some minutes the first time." >&2
rm -rf .venv
"$python" -m venv .venv
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
# uv installs the set in a fraction of pip's time; without it pip does.
if "${pip[@]}" install --require-hashes --no-deps -r requirements/uv.txt 2>/dev/null; then
  .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r "$lock"
else
  echo "uv could not be installed; using pip, which is slower." >&2
  "${pip[@]}" install --require-hashes --no-deps -r "$lock"
fi
# What setuptools says about editable installs of mapped folders is of no use to anybody here.
if ! said=$("${pip[@]}" install --no-deps --no-build-isolation -e . 2>&1); then
  echo "$said" >&2
  exit 1
fi
touch "$stamp"
echo "Set-up done." >&2
