#!/usr/bin/env bash
# Installs tools without which some tests skip. apt installs Chromium (status page) and Prometheus' promtool (dashboard and alerts);
# pip installs the form parser of model servers into the cache. Prints the folder for PYTHONPATH, logs on stderr, and never fails.
set -uo pipefail

say() { echo "tools: $*" >&2; }

python="${PILOTFISH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pilotfish}/python"
if command -v python3 >/dev/null 2>&1 && [ ! -d "$python/starlette" ]; then
  say "installing starlette 1.10.0 and python-multipart 0.0.34 by pip ..."
  python3 -m pip install --quiet --disable-pip-version-check --target "$python" starlette==1.10.0 python-multipart==0.0.34 >&2 ||
    say "not installed: the comparison with Starlette is skipped"
fi
echo "$python"

declare -A package=([chromium]=chromium [promtool]=prometheus)
wanted=()
for command in "${!package[@]}"; do
  command -v "$command" >/dev/null 2>&1 || wanted+=("${package[$command]}")
done
[ ${#wanted[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  say "${wanted[*]} not installed (needs root and apt): the tests that use them are skipped"
  exit 0
fi
say "installing ${wanted[*]} by apt ..."
log="$(mktemp)"
# A temporary policy keeps the packages from starting services.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1; }
export DEBIAN_FRONTEND=noninteractive
if { apt-get update && apt-get install --yes --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1; then
  say "installed"
else
  say "not installed: $(tail -1 "$log"); the tests that use them are skipped"
fi
[ -z "${made:-}" ] || rm -f "$policy"
rm -f "$log"
