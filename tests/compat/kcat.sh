#!/usr/bin/env bash
# kcat 1.7 as Debian ships it (an old librdkafka), with no special options: every codec, groups, transactions, listings and queries.
set -uo pipefail
b=$WEIR_TEST_BOOTSTRAP
run=$(date +%s%N)
work=$(mktemp -d)
reader=
trap '[ -z "$reader" ] || kill "$reader" 2>/dev/null; rm -rf "$work"' EXIT
failed=0

expect() { # what, wanted, got
  [ "$2" = "$3" ] || { printf '%s: wanted\n%s\ngot\n%s\n' "$1" "$2" "$3"; exit 1; }
}

# theme NAME WHAT: runs the function NAME in a shell of its own and tells the outcome.
theme() {
  local out
  if out=$("$1" 2>&1); then echo "ok: kcat: ${1//_/ }: $2"; else
    failed=1
    echo "FAILED: kcat: ${1//_/ }"
    echo "$out"
  fi
}

until_lines() { # file, lines: waits until the file has that many
  for _ in $(seq 300); do
    [ "$(wc -l <"$1")" -ge "$2" ] && return
    sleep 0.1
  done
  echo "$1 has only $(wc -l <"$1") of $2 lines"
  exit 1
}

produce_and_consume() {
  local t=hello-$run
  printf 'one\ntwo\nthree\n' | kcat -P -b "$b" -t "$t"
  expect "read back" "$(printf 'one\ntwo\nthree')" "$(kcat -C -b "$b" -t "$t" -e -q)"
  expect "from the middle" "$(printf 'two\nthree')" "$(kcat -C -b "$b" -t "$t" -o 1 -e -q)"
  expect "the last one" "three" "$(kcat -C -b "$b" -t "$t" -o -1 -e -q)"
  printf 'k1:v1\nk2:\n' | kcat -P -b "$b" -t "keyed-$run" -K: -Z -H a=1 -H a=2
  expect "keys, nulls and headers" "$(printf 'k1=2 v1 a=1,a=2\nk2=-1  a=1,a=2')" "$(kcat -C -b "$b" -t "keyed-$run" -e -q -f '%k=%S %s %h\n')"
}

codecs() {
  local codec t
  for codec in none gzip snappy lz4 zstd; do
    t=codec-$codec-$run
    seq 1000 | kcat -P -b "$b" -t "$t" -z "$codec" -X enable.idempotence=true
    expect "$codec" "$(seq 1000)" "$(kcat -C -b "$b" -t "$t" -e -q)"
    expect "$codec from the middle of a batch" "$(seq 501 1000)" "$(kcat -C -b "$b" -t "$t" -o 500 -e -q)"
  done
}

listing_and_query() {
  local t=listed-$run now
  now=$(date +%s%3N)
  seq 10 | kcat -P -b "$b" -t "$t"
  kcat -L -b "$b" | grep -q "topic \"$t\" with 1 partitions" || { echo "the listing lacks the topic"; exit 1; }
  kcat -L -J -b "$b" -t "$t" | grep -q '"partitions":\[{"partition":0' || { echo "the JSON listing lacks the partition"; exit 1; }
  expect "the earliest offset" "$t [0] offset 0" "$(kcat -Q -b "$b" -t "$t:0:-2")"
  expect "the latest offset" "$t [0] offset 10" "$(kcat -Q -b "$b" -t "$t:0:-1")"
  expect "the offset at a time before all" "$t [0] offset 0" "$(kcat -Q -b "$b" -t "$t:0:$((now - 3600000))")"
  # librdkafka 2.0 tells "no record so late" as the end (-1).
  kcat -Q -b "$b" -t "$t:0:$((now + 3600000))" | grep -Eq "offset (-1|10)$" || { echo "an offset after all of time"; exit 1; }
}

groups() {
  local t=grouped-$run g=group-$run
  printf 'one\ntwo\nthree\n' | kcat -P -b "$b" -t "$t"
  expect "a group's first read" "$(printf 'one\ntwo\nthree')" "$(kcat -b "$b" -G "$g" -X auto.offset.reset=earliest -c 3 -q "$t" 2>/dev/null)"
  printf 'four\n' | kcat -P -b "$b" -t "$t"
  expect "a group goes on from its commit" "four" "$(kcat -b "$b" -G "$g" -X auto.offset.reset=earliest -c 1 -q "$t" 2>/dev/null)"
  # A member that stays reads what comes; when it is gone, the next one has all that follows.
  kcat -b "$b" -G "$g" -X auto.offset.reset=earliest -X session.timeout.ms=6000 -X heartbeat.interval.ms=500 -u -q "$t" >"$work/first" 2>/dev/null &
  reader=$!
  printf 'five\n' | kcat -P -b "$b" -t "$t"
  until_lines "$work/first" 1
  kill "$reader"
  wait "$reader" 2>/dev/null
  reader=
  printf 'six\n' | kcat -P -b "$b" -t "$t"
  expect "the next member" "six" "$(kcat -b "$b" -G "$g" -X auto.offset.reset=earliest -c 1 -q "$t" 2>/dev/null)"
}

transactions() {
  local t=transactions-$run
  printf 'one\ntwo\n' | kcat -P -b "$b" -t "$t" -X transactional.id="kcat-$run"
  printf 'three\n' | kcat -P -b "$b" -t "$t" -X transactional.id="kcat-$run"
  expect "committed" "$(printf 'one\ntwo\nthree')" "$(kcat -C -b "$b" -t "$t" -e -q -X isolation.level=read_committed)"
  # Two transactions of two and one records, each followed by its marker: offsets 0 1 (2) 3 (4).
  expect "offsets around the markers" "0 1 3" "$(kcat -C -b "$b" -t "$t" -e -q -f '%o ' | sed 's/ $//')"
}

theme produce_and_consume "read back, from the middle, the last; keys, nulls, repeated headers"
theme codecs "none, gzip, snappy, lz4, zstd; idempotent; from the middle of a batch"
theme listing_and_query "-L, -L -J, -Q by time"
theme groups "-G goes on from its commits; a member leaves and the next one takes over"
theme transactions "each run one transaction, read_committed, offsets around the markers"
exit $failed
