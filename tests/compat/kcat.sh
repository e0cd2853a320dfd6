#!/usr/bin/env bash
# kcat as Debian ships it, with no special options: produce, consume, a group, listings, every codec.
set -euo pipefail
b=$WEIR_TEST_BOOTSTRAP

expect() { # what, wanted, got
  [ "$2" = "$3" ] || { printf '%s: wanted\n%s\ngot\n%s\n' "$1" "$2" "$3"; exit 1; }
}

printf 'one\ntwo\nthree\n' | kcat -P -b "$b" -t hello
expect "read back" "$(printf 'one\ntwo\nthree')" "$(kcat -C -b "$b" -t hello -e -q)"
expect "from the middle" "$(printf 'two\nthree')" "$(kcat -C -b "$b" -t hello -o 1 -e -q)"
expect "the last one" "three" "$(kcat -C -b "$b" -t hello -o -1 -e -q)"

for codec in gzip snappy lz4 zstd; do
  seq 1000 | kcat -P -b "$b" -t "codec-$codec" -z "$codec"
  expect "$codec" "$(seq 1000)" "$(kcat -C -b "$b" -t "codec-$codec" -e -q)"
done

printf 'k1:v1\nk2:v2\n' | kcat -P -b "$b" -t keyed -K: -H a=1 -H a=2
expect "keys and headers" "$(printf 'k1=v1 a=1,a=2\nk2=v2 a=1,a=2')" "$(kcat -C -b "$b" -t keyed -e -q -f '%k=%s %h\n')"

kcat -L -b "$b" | grep -q 'topic "hello" with 1 partitions' || { echo "the listing lacks the topic"; exit 1; }

# A group reads what there is; a second run of it reads only what came after its commit.
expect "a group's first read" "$(printf 'one\ntwo\nthree')" "$(kcat -b "$b" -G mygroup -X auto.offset.reset=earliest -c 3 -q hello 2>/dev/null)"
printf 'four\n' | kcat -P -b "$b" -t hello
expect "a group goes on from its commit" "four" "$(kcat -b "$b" -G mygroup -X auto.offset.reset=earliest -c 1 -q hello 2>/dev/null)"
echo "produce, consume, 4 codecs, keys, headers, listing, group"
