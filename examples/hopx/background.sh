#!/bin/sh
# A program in the background: started, fed through its stdin, followed by offset, waited for; and one killed.
# Usage: SANDERLING_URL=http://127.0.0.1:7777 SANDERLING_TOKEN=$(bin/sanderling token) examples/hopx/background.sh
set -eu
url=${SANDERLING_URL:-http://127.0.0.1:7777}

call() {
  method=$1 path=$2
  shift 2
  curl -sS -X "$method" "$url$path" -H "Authorization: Bearer $SANDERLING_TOKEN" "$@"
}

# The value of one field of a JSON object on stdin.
field() {
  python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

id=$(call POST /commands/background -d '{
  "command": "while read line; do echo \"got $line\"; done; echo bye",
  "name": "echo server",
  "stdin_open": true
}' | field process_id)

call POST "/execute/processes/$id/stdin" -d '{"data": "one\n"}' | field written_bytes
call POST "/execute/processes/$id/stdin" -d '{"data": "two\n", "close": true}' | field written_bytes
call GET "/execute/processes/$id/wait?timeout=20" | field status

# In two pieces: next_offset says where the second begins.
call GET "/execute/processes/$id/output?limit=8" | field data
call GET "/execute/processes/$id/output?offset=8" | field data

id=$(call POST /execute/background -d '{"code": "import time; time.sleep(3600)"}' | field process_id)
call POST "/execute/kill/$id" | field status
