"""The terminal as the Python libraries offer it. Run by terminal.test.ts; fails by raising."""

import asyncio
import sys

from hopx_ai import AsyncSandbox, Sandbox

url, sandbox_id, key = sys.argv[1:4]


async def use(terminal):
    """A command, then exit at once, read to the end, as the vendor's pages and tests do."""
    for code in range(5):
        async with await terminal.connect() as ws:
            await terminal.resize(ws, cols=120, rows=40)
            await terminal.send_input(ws, "echo $COLUMNS x $LINES; stty size\n")
            await terminal.send_input(ws, f"echo 'grün ✓'; seq 3000; exit {code}\n")
            text, ended = "", None
            async for message in terminal.iter_output(ws):
                if message["type"] == "output":
                    text += message["data"]
                elif message["type"] == "exit":
                    ended = message["code"]
                    break
        assert ended == code, (ended, text[-300:])
        assert "40 120" in text and "120 x 40" in text, text[:600]
        assert "grün ✓\r\n" in text, text[:600]
        assert "\r\n" + "".join(f"{n}\r\n" for n in range(1, 3001)) in text, text[:600]


async def main():
    await use(Sandbox.connect(sandbox_id, api_key=key, base_url=url).terminal)
    async with await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url) as sandbox:
        await use(sandbox.terminal)


asyncio.run(main())
print("ok")
