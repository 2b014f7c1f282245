"""What the Python library makes of a machine without a desktop. Run by desktop.test.ts; fails by raising."""

import sys

from hopx_ai import Sandbox
from hopx_ai.errors import DesktopNotAvailableError

url, sandbox_id, key = sys.argv[1:4]
sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)
try:
    sandbox.desktop.screenshot()
    raise SystemExit("a machine without a desktop gave a picture")
except DesktopNotAvailableError as error:
    print("refused", error.missing_dependencies)
