"""What the Python library offers for kernels, synchronous and asynchronous. Run by rich.test.ts; fails by raising."""

import asyncio
import sys

from hopx_ai import AsyncSandbox, Sandbox

url, sandbox_id, key = sys.argv[1:4]


def check_sessions(sessions):
    assert sessions, "there are no sessions"
    for session in sessions:
        assert session["kernel_id"] and session["execution_state"] and session["last_activity"], session
        assert isinstance(session["connections"], int), session


def synchronous():
    sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)
    check_sessions(sandbox.get_jupyter_sessions())


async def asynchronous():
    sandbox = await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)
    check_sessions(await sandbox.get_jupyter_sessions())


synchronous()
asyncio.run(asynchronous())
