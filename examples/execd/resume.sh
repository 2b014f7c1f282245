#!/bin/sh
# An event stream read with nothing but curl: a client that leaves in the middle goes on where it stopped.
# Usage: SANDERLING_EXECD_URL=http://127.0.0.1:44772 SANDERLING_ACCESS_TOKEN=... examples/execd/resume.sh
set -eu
url=${SANDERLING_EXECD_URL:-http://127.0.0.1:44772}
token="X-EXECD-ACCESS-TOKEN: $SANDERLING_ACCESS_TOKEN"
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT

# Reads until the first line of output has come, and leaves.
curl -sN "$url/command" -H "$token" -D "$directory/headers" \
  -d '{"command": "for i in 1 2 3; do echo line $i; sleep 0.2; done"}' |
  sed '/"line 1"/q' >"$directory/first"
run=$(sed -n 's/^execd-execution-id: *\([^[:cntrl:]]*\).*/\1/Ip' "$directory/headers")
last=$(sed -n 's/^id: //p' "$directory/first" | tail -n 1)

# The rest of it, to its end: the run has gone on meanwhile.
curl -sSN "$url/command/$run/events" -H "$token" -H "Last-Event-ID: $last" >"$directory/rest"

echo '== before'
sed -n 's/.*"type":"stdout","text":"\([^"]*\)".*/\1/p' "$directory/first"
echo '== after'
sed -n 's/.*"type":"stdout","text":"\([^"]*\)".*/\1/p' "$directory/rest"
sed -n 's/.*"type":"\(execution_complete\)".*/\1/p' "$directory/rest"
