#!/bin/sh
# The requests of the published page "Run Command", in its own words, against a running daemon. They expect
# what the page expects in /workspace: data.txt, process.py and a directory project with a package.json.
# Usage: SANDERLING_URL=http://127.0.0.1:7777 SANDERLING_TOKEN=$(bin/sanderling token) examples/hopx/commands.sh
set -eu
url=${SANDERLING_URL:-http://127.0.0.1:7777}

# Prints the status and the body, with the name of the example before them.
run() {
  printf '== %s\n' "$1"
  curl -sS -X POST "$url/commands/run" \
    -H "Authorization: Bearer $SANDERLING_TOKEN" \
    -H "Content-Type: application/json" \
    -w '\n%{http_code}\n' -d "$2"
}

run list '{
    "command": "ls -la /workspace"
  }'

run environment '{
    "command": "echo $MY_VAR",
    "env": {
      "MY_VAR": "hello"
    }
  }'

run failure '{
    "command": "ls /nonexistent"
  }'

run install '{
    "command": "pip install requests numpy",
    "timeout": 120
  }'

run system '{
    "command": "uname -a && df -h && free -h"
  }'

run file '{
    "command": "cat /workspace/data.txt | wc -l",
    "working_dir": "/workspace"
  }'

run git '{
    "command": "git clone https://github.com/user/repo.git && cd repo && git log -1",
    "working_dir": "/workspace",
    "timeout": 60
  }'

run test '{
    "command": "npm install && npm test",
    "working_dir": "/workspace/project",
    "timeout": 300
  }'

run pipeline '{
    "command": "mkdir -p /workspace/output && python process.py && mv result.csv /workspace/output/",
    "working_dir": "/workspace"
  }'
