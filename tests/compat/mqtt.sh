#!/usr/bin/env bash
# The IoT pipeline's devices with other people's MQTT: Mosquitto as their broker, and Mosquitto's clients at the embedded broker.
#
# Needs mosquitto, mosquitto_pub and mosquitto_sub, and WEIR_TEST_BOOTSTRAP. One line for each theme.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
weir=${CARGO_TARGET_DIR:-$root/target}/debug/weir
dir=$(mktemp -d)
mosquitto=
failed=0
stop() {
  [ -z "$mosquitto" ] || { kill "$mosquitto" && wait "$mosquitto"; } 2>/dev/null
  rm -rf "$dir"
}
trap stop EXIT

theme() {
  local name=$1
  shift
  if "$@"; then echo "ok: mqtt: $name"; else
    echo "FAILED: mqtt: $name: $(tail -n 2 "$dir/why" 2>/dev/null | tr '\n' ' ' | cut -c1-400)"
    failed=1
  fi
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

run() {
  "$weir" run iot --bootstrap "$WEIR_TEST_BOOTSTRAP" --rate 200 --for 12s --set devices=100 --set mqtt_port="$1" --json >"$dir/report" 2>"$dir/why"
}

# No check may be red; what could not be judged in so short a time is pending.
is_green() {
  tail -n 1 "$dir/report" | python3 -c '
import json, sys
report = json.load(sys.stdin)
red = [check for check in report["checks"] if check["verdict"] == "fail"]
counts = report["counts"]
sys.exit(f"{red} {counts}" if red or counts["delivered"] < 1000 else 0)' 2>"$dir/why"
}

mosquitto_as_broker() {
  local port
  port=$(free_port)
  mosquitto -p "$port" >"$dir/mosquitto.log" 2>&1 &
  mosquitto=$!
  until mosquitto_pub -h 127.0.0.1 -p "$port" -t devices/nobody/data -n 2>/dev/null; do
    kill -0 "$mosquitto" 2>/dev/null || { tail -n 1 "$dir/mosquitto.log" >"$dir/why"; return 1; }
  done
  timeout 60 mosquitto_sub -h 127.0.0.1 -p "$port" -t 'devices/+/data' -q 1 -C 200 >"$dir/heard" 2>/dev/null &
  local hears=$!
  run "$port" && is_green || return 1
  wait "$hears"
  [ "$(wc -l <"$dir/heard")" = 200 ] || { echo "a subscriber heard $(wc -l <"$dir/heard") of 200 readings" >"$dir/why"; return 1; }
}

clients_at_the_embedded_broker() {
  local port
  port=$(free_port)
  run "$port" &
  local runs=$!
  until timeout 60 mosquitto_sub -h 127.0.0.1 -p "$port" -q 1 -t 'devices/+/commands' -C 3 >"$dir/commands" 2>/dev/null; do
    kill -0 "$runs" 2>/dev/null || { echo "no subscriber heard three commands" >"$dir/why"; return 1; }
  done
  mosquitto_pub -h 127.0.0.1 -p "$port" -q 1 -i a-guest -t devices/guest/data -m 'no reading' 2>"$dir/why" || return 1
  wait "$runs" && is_green || return 1
  # A guest's reading is in Kafka under the guest's key; as it makes no sense, the pipeline set it aside.
  timeout 30 "$weir" consume sensor_data --bootstrap "$WEIR_TEST_BOOTSTRAP" >"$dir/data" 2>"$dir/why"
  grep -q 'no reading' "$dir/data" || { echo "the guest's message is not in Kafka" >"$dir/why"; return 1; }
}

theme "devices, bridge and commands over Mosquitto" mosquitto_as_broker
theme "Mosquitto's clients at the embedded broker" clients_at_the_embedded_broker
exit $failed
