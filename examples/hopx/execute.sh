#!/bin/sh
# The requests of the published page "Execute Code", in its own words, against a running daemon.
# Usage: SANDERLING_URL=http://127.0.0.1:7777 SANDERLING_TOKEN=$(bin/sanderling token) examples/hopx/execute.sh
set -eu
url=${SANDERLING_URL:-http://127.0.0.1:7777}

# Prints the status and the body, with the name of the example before them.
execute() {
  printf '== %s\n' "$1"
  curl -sS -X POST "$url/execute" \
    -H "Authorization: Bearer $SANDERLING_TOKEN" \
    -H "Content-Type: application/json" \
    -w '\n%{http_code}\n' -d "$2"
}

execute python '{
    "code": "print(\"Hello from HopX!\")",
    "language": "python"
  }'

execute javascript '{
    "code": "console.log(\"Hello from Node.js!\");",
    "language": "javascript"
  }'

execute environment '{
    "code": "import os; print(os.getenv(\"MY_VAR\"))",
    "language": "python",
    "env": {
      "MY_VAR": "my_value"
    }
  }'

execute pandas '{
    "code": "import pandas as pd\ndf = pd.DataFrame({\"a\": [1,2,3]})\nprint(df)",
    "language": "python"
  }'

execute require '{
    "code": "const fs = require(\"fs\");\nconsole.log(fs.readdirSync(\".\"));",
    "language": "javascript"
  }'

execute bash '{
    "code": "ls -la /workspace",
    "language": "bash"
  }'

# The page shows the answer to a request that takes too long; a second is enough to see it.
execute timeout '{
    "code": "import time; time.sleep(60)",
    "language": "python",
    "timeout": 1
  }'

execute invalid-language '{
    "code": "puts 1",
    "language": "ruby"
  }'

execute failure '{
    "code": "x",
    "language": "python"
  }'

execute data-analysis '{
    "code": "import pandas as pd\nimport numpy as np\n\ndata = {\"sales\": [100, 150, 200, 180, 220]}\ndf = pd.DataFrame(data)\n\nprint(f\"Mean: ${df[\"sales\"].mean():.2f}\")\nprint(f\"Median: ${df[\"sales\"].median():.2f}\")",
    "language": "python"
  }'

execute file-processing '{
    "code": "with open(\"/workspace/data.txt\", \"r\") as f:\n    lines = f.readlines()\n    print(f\"File has {len(lines)} lines\")",
    "language": "python"
  }'

execute system-information '{
    "code": "import platform\nimport os\n\nprint(f\"OS: {platform.system()}\")\nprint(f\"Python: {platform.python_version()}\")\nprint(f\"CPU Count: {os.cpu_count()}\")",
    "language": "python"
  }'
