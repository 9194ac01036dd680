#!/usr/bin/env bash
# Makes an environment with the locked packages: `setup.sh` or `setup.sh py310` makes .venv with
# Python 3.10 and TFX, `setup.sh py311` makes .venv-py311 with Python 3.11, the newest TensorFlow
# and no TFX. A second call finds its stamp and returns.
# PYTHON=/path/to/python3.10 and PYTHON311=/path/to/python3.11 name interpreters to try first.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # with it every import of TensorFlow compiles it anew

environment=${1:-py310}
case $environment in
  py310) version=3.10 venv=.venv variable=PYTHON use="the TFX packages need" ;;
  py311) version=3.11 venv=.venv-py311 variable=PYTHON311 use="the tests with the newest TensorFlow need" ;;
  *) echo "setup.sh makes py310 or py311, not '$environment'." >&2; exit 2 ;;
esac
lock=requirements/$environment.txt
stamp=$venv/.installed-$(cat "$lock" requirements/uv.txt setup.py | sha256sum | cut -c1-16)
[ -e "$stamp" ] && exit 0

# A `python3.10` on the PATH may be a shim that fails, so each candidate is tried by running it.
works() {
  "$1" -c 'import ssl, sys, venv; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' \
    "$version" >/dev/null 2>&1
}
find_python() {
  local candidate
  for candidate in "${!variable:-}" "python$version" python3 \
    "$HOME/.pyenv/versions/$version"*/bin/python "/usr/bin/python$version" \
    "/usr/local/bin/python$version" /opt/*/bin/"python$version" \
    "$(uv python find "$version" 2>/dev/null || true)"; do
    if [ -n "$candidate" ] && works "$candidate"; then echo "$candidate"; return; fi
  done
  return 1
}
python=$(find_python) || {
  echo "No working Python $version found, which $use. Install it (for example" >&2
  echo "'apt-get install python$version python$version-venv', 'pyenv install $version' or 'uv python install" >&2
  echo "$version') and run this again, or name it: make $variable=/path/to/python$version ..." >&2
  [ "$environment" != py311 ] || echo "To leave these tests out: make test SKIP_PY311=1" >&2
  exit 3  # tells a missing Python from a set-up that failed
}

echo "Setting up $venv with $("$python" --version) ($python); this takes some minutes the first time." >&2
rm -rf "$venv"
"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
# uv installs the set in a fraction of pip's time; where it cannot be had or fails, pip does it.
with_uv() {
  "${pip[@]}" install --require-hashes --no-deps -r requirements/uv.txt 2>/dev/null &&
    UV_SYSTEM_CERTS=1 "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" \
      --require-hashes -r "$lock"
}
if ! with_uv; then
  echo "uv could not install the packages; using pip, which is slower." >&2
  "${pip[@]}" install --require-hashes --no-deps -r "$lock"
fi
# What setuptools says about editable installs of mapped folders is of no use to anybody here.
if ! said=$("${pip[@]}" install --no-deps --no-build-isolation -e . 2>&1); then
  echo "$said" >&2
  exit 1
fi
touch "$stamp"
echo "Set-up done." >&2
