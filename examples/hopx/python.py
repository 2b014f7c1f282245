"""The HopX Python library against a running daemon.

Usage: python examples/hopx/python.py DAEMON_URL SANDBOX_ID   (with HOPX_API_KEY in the environment)
"""

import sys

from hopx_ai import Sandbox

url, sandbox_id = sys.argv[1:3]
sandbox = Sandbox.connect(sandbox_id, base_url=url)

result = sandbox.run_code("print(6 * 7)")
print("code:", result.stdout.strip())

failed = sandbox.run_code("raise ValueError('no')")
print("failed:", failed.success, failed.stderr.strip().splitlines()[-1])

listing = sandbox.commands.run("echo $GREETING from $(pwd)", env={"GREETING": "hello"})
print("command:", listing.stdout.strip())
