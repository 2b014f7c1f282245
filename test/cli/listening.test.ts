import { describe, expect, test, setDefaultTimeout } from "bun:test";
import { readdir } from "node:fs/promises";
import { temporaryDirectory } from "../setup/support.ts";
import { cli, placedIn, ServeProcess } from "../support/cli.ts";
import { TEST_SECRET } from "../support/daemon.ts";

setDefaultTimeout(60_000);

/** An address that no machine has (RFC 5737): asked for it, a daemon can only fail after its own checks. */
const NOBODYS_ADDRESS = "192.0.2.1";

/** Starts `serve` where it cannot listen, in directories of its own. */
async function failing(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  await using directory = temporaryDirectory();
  return await cli(["serve", "--json", ...args], {
    env: { ...placedIn(directory.path), TMPDIR: directory.path, ...env },
  });
}

describe("beyond this machine", () => {
  test.each(["0.0.0.0", "::", NOBODYS_ADDRESS, "agent.example"])(
    "%s is refused without a credential, before anything listens",
    async (host) => {
      const { code, stdout, stderr } = await failing(["--host", host]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toBe(
        `Refusing to listen on ${host}, beyond this machine, without a credential: set SANDERLING_JWT_SECRET ` +
          "(or SANDERLING_JWT_SECRET_FILE, or SANDERLING_JWT_PUBLIC_KEY)\n",
      );
    },
  );

  test("a name that only begins like a loopback address is refused as well", async () => {
    const { code, stderr } = await failing(["--host", "127.agent.invalid"]);
    expect(stderr).toStartWith("Refusing to listen on 127.agent.invalid");
    expect(code).toBe(2);
  });

  test("a secret opens that door, and the address is then the system's to refuse", async () => {
    const { code, stderr } = await failing(["--host", NOBODYS_ADDRESS], {
      SANDERLING_JWT_SECRET: TEST_SECRET,
    });
    expect(code).toBe(1);
    expect(stderr).toStartWith(`Cannot listen on ${NOBODYS_ADDRESS} port 0: `);
  });

  test("on another loopback address it starts, with and without a secret, and only there", async () => {
    for (const secret of [{}, { SANDERLING_JWT_SECRET: TEST_SECRET }]) {
      await using directory = temporaryDirectory();
      await using serving = await ServeProcess.start(["--json", "--host", "127.0.0.2"], {
        env: { ...placedIn(directory.path), ...secret },
      });
      const { url, port } = serving.ready.hopx;
      expect(url).toBe(`http://127.0.0.2:${port}`);
      expect((await fetch(`${url}/ping`)).status).toBe(200);
      const elsewhere = fetch(`http://127.0.0.1:${port}/ping`).then(
        () => "answered",
        () => "refused",
      );
      expect(await elsewhere).toBe("refused");
    }
  });
});

describe("a port in use", () => {
  test("ends it with exit code 1 and a sentence that names address and port", async () => {
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const { code, stdout, stderr } = await failing(["--hopx-port", String(other.port)]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toStartWith(`Cannot listen on 127.0.0.1 port ${other.port}: `);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test("leaves no temporary files behind", async () => {
    await using temporary = temporaryDirectory();
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    await failing(["--hopx-port", String(other.port)], { TMPDIR: temporary.path });
    expect(await readdir(temporary.path)).toEqual([]);
  });
});
