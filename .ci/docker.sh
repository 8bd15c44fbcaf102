#!/usr/bin/env bash
# Starts a Docker engine for tests by testcontainers on a CI machine without one, and stops it again.
#   .ci/docker.sh start   exit 0: an engine answers (a running engine is used); exit 3: this machine cannot run an engine
#   .ci/docker.sh stop    ends the engine that `start` started, by its pid, and no other engine
# Installing and starting need root and apt. The engine writes into the cache folder only.
set -euo pipefail

cache="${PILOTFISH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pilotfish}"
state="$cache/docker"
pidfile="$state/dockerd.pid"
log="$state/dockerd.log"
wait_seconds=60

say() { echo "docker: $*" >&2; }
give_up() { say "$*; the tests run on a local Envoy binary instead"; exit 3; }
answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

ours() {
  [ -s "$pidfile" ] || return 1
  local pid; pid="$(cat "$pidfile" 2>/dev/null)" || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

install_engine() {
  command -v dockerd >/dev/null 2>&1 && return 0
  command -v apt-get >/dev/null 2>&1 || give_up "no dockerd and no apt-get to install it"
  say "installing docker.io by apt (log: $state/apt.log)"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install --yes --no-install-recommends docker.io iptables; } >"$state/apt.log" 2>&1 ||
    give_up "docker.io could not be installed: $(tail -1 "$state/apt.log")"
}

start() {
  if answers; then say "an engine answers already"; return 0; fi
  [ "$(uname -s)" = Linux ] || give_up "no engine answers, and only Linux can start one here"
  [ "$(id -u)" = 0 ] || give_up "no engine answers, and starting an engine needs root"
  mkdir -p "$state"
  install_engine
  # If an init system runs, the package has started an engine already, and the tests use that engine.
  if answers; then say "the engine of the package answers"; return 0; fi
  command -v docker >/dev/null 2>&1 || give_up "dockerd is installed, but the docker command is not"
  [ -e "$pidfile" ] && ! ours && rm -f "$pidfile"

  say "starting dockerd (log: $log)"
  # The containers share the host's network, so no bridge and no firewall rule is needed.
  setsid dockerd --data-root "$state/data" --exec-root "$state/run" --pidfile "$pidfile" \
    --host unix:///var/run/docker.sock --bridge none --iptables=false --ip6tables=false \
    >"$log" 2>&1 </dev/null &
  local child=$! second
  for ((second = 1; second <= wait_seconds; second++)); do
    sleep 1
    if answers; then say "engine $(docker version --format '{{.Server.Version}}') answers after $second s"; return 0; fi
    kill -0 "$child" 2>/dev/null || give_up "dockerd ended: $(tail -1 "$log")"
    [ $((second % 5)) -eq 0 ] && say "waiting, $second of $wait_seconds s"
  done
  kill "$child" 2>/dev/null || true
  give_up "dockerd did not answer within $wait_seconds s: $(tail -1 "$log")"
}

stop() {
  if ! ours; then say "no engine of ours runs"; return 0; fi
  local pid second; pid="$(cat "$pidfile")"
  kill "$pid"
  for ((second = 1; second <= 30; second++)); do
    ours || { say "engine stopped"; return 0; }
    sleep 1
  done
  say "dockerd ($pid) did not stop within 30 s; killing it"
  kill -KILL "$pid"
}

case "${1:-}" in
  start | stop) "$1" ;;
  *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
