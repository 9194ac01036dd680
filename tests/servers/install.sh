#!/usr/bin/env bash
# Installs the database servers that tests/servers needs, from Debian's packages; what is there is
# left alone. Needs root. Says why not where it cannot, and ends with 1.
set -euo pipefail
missing=()
compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || missing+=(postgresql)
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
[ ${#missing[@]} -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "${missing[*]} missing, and there is no apt-get to install them with." >&2; exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "${missing[*]} missing; as root: apt-get install ${missing[*]}" >&2; exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
log=$(mktemp)
# The list of packages may be old, or none yet.
if ! { "${apt[@]}" install -y --no-install-recommends "${missing[@]}" ||
       { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; }; } \
       >"$log" 2>&1 </dev/null; then
  echo "apt-get could not install ${missing[*]}: $(tail -n 3 "$log")" >&2; exit 1
fi
rm -f "$log"
