import { describe, expect, test, setDefaultTimeout } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../setup/support.ts";
import { cli, placedIn, type Environment } from "../support/cli.ts";

setDefaultTimeout(60_000);

/** Starts `serve` where it must refuse; nothing may have been made by then. */
async function refused(args: readonly string[], env: Environment = {}): Promise<string> {
  await using directory = temporaryDirectory();
  const { code, stdout, stderr } = await cli(["serve", "--json", ...args], {
    env: { ...placedIn(directory.path), ...env },
  });
  expect([code, stdout]).toEqual([2, ""]);
  expect(existsSync(join(directory.path, "workspace"))).toBe(false);
  // Sentences for people: no stack, no name of a class.
  expect(stderr).not.toMatch(/^\s+at |Error:/m);
  return stderr.trim();
}

describe("serve ends with exit code 2 and says why:", () => {
  test.each(["SANDERLING_HOPX_PROT", "SANDERLING_JWTSECRET", "SANDERLING_WORKSPACE_FILE", "SANDERLING_PORT"])(
    "%s is no setting",
    async (name) => {
      expect(await refused([], { [name]: "7777" })).toBe(
        `${name}: there is no such setting (see: sanderling serve --help)`,
      );
    },
  );

  const aPort = "expected a whole number from 0 to 65535";
  const aSize = "expected a size of at least 1024 bytes such as 65536 or 64MiB";
  test.each([
    ["--hopx-port", "65536", aPort],
    ["--hopx-port", "-1", aPort],
    ["--hopx-port", "", aPort],
    ["--hopx-port", "0x1f", aPort],
    ["--hopx-port", "7.5", aPort],
    ["--max-runs", "0", "expected a whole number from 1 to 100000"],
    ["--max-body-bytes", "12 parsecs", aSize],
    ["--journal-bytes", "1k2", aSize],
    ["--max-output-bytes", "1023", aSize],
    ["--cancel-on-disconnect", "maybe", "expected true or false"],
    ["--containment", "docker", "expected one of auto, process_group"],
    ["--log-level", "loud", "expected one of trace, debug, info, warn, error, fatal, silent"],
    ["--public-url", "agent.example", "expected an address such as https://agent.example"],
  ])("%s %p: %s", async (flag, value, expected) => {
    const said = `${expected}, got ${JSON.stringify(value)}`;
    expect(await refused([`${flag}=${value}`])).toBe(`${flag}: ${said}`);
    if (value === "") return;
    const variable = `SANDERLING_${flag.slice(2).replaceAll("-", "_").toUpperCase()}`;
    expect(await refused([], { [variable]: value })).toBe(`${variable}: ${said}`);
  });

  test("a sandbox id that clients could not use", async () => {
    const said = 'SANDERLING_SANDBOX_ID: expected 1 to 64 letters, digits, - or _, got "no/id"';
    expect(await refused(["--sandbox-id", "no/id"])).toBe(said);
  });

  test("a secret that can be guessed, without repeating it", async () => {
    const said = await refused([], { SANDERLING_JWT_SECRET: "hunter2" });
    expect(said).toBe(
      "SANDERLING_JWT_SECRET: expected at least 16 characters, got 7: a short secret can be guessed",
    );
  });

  test.each([
    ["no key at all", "hello"],
    ["no key set", '{"hello": "world"}'],
    ["a key set cut short", '{"keys": ['],
    ["a private key", generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" })],
    [
      "a key of an unknown kind",
      generateKeyPairSync("x25519").publicKey.export({ format: "pem", type: "spki" }),
    ],
    [
      "a curve that no accepted algorithm has",
      generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ format: "pem", type: "spki" }),
    ],
  ])("a public key that is %s, without repeating it", async (_, key) => {
    const said = await refused([], { SANDERLING_JWT_PUBLIC_KEY: key });
    expect(said).toBe(
      "SANDERLING_JWT_PUBLIC_KEY: expected a public key (-----BEGIN PUBLIC KEY----- of Ed25519, P-256 or RSA) or a key set (JWKS)",
    );
  });

  test("a user that does not exist", async () => {
    const said = await refused(["--run-as", "no-such-user"]);
    expect(said).toMatch(/^Cannot (run as|set up for) no-such-user: /);
  });

  test.each(["--jwt-secret-file", "SANDERLING_API_KEY_FILE"])("%s that cannot be read", async (source) => {
    await using directory = temporaryDirectory();
    const file = join(directory.path, "missing");
    const said = source.startsWith("--")
      ? await refused([source, file])
      : await refused([], { [source]: file });
    expect(said).toStartWith(`${source}: cannot read ${file}: `);
  });

  test.each(["--nonsense", "--hopx-port", "an argument"])("unknown or without a value: %s", async (arg) => {
    const said = await refused([arg]);
    expect(said).toStartWith("error: ");
    expect(said).toEndWith("(see --help)");
  });

  test.each([
    ["s.toml", "hopx_prot = 1", 'there is no setting "hopx_prot"'],
    ["s.toml", "[host]\nname = 1", "host must be a text, a number or a boolean"],
    ["s.toml", "host = ", "" /* the parser's own words */],
    ["s.json", "{", ""],
    ["s.json", "null", "expected an object with one entry for each setting"],
    ["s.json", '"7777"', "expected an object with one entry for each setting"],
    ["s.json", '["host"]', 'there is no setting "0"'],
  ])("a configuration file %s with %p", async (name, text, reason) => {
    await using directory = temporaryDirectory();
    const file = join(directory.path, name);
    await writeFile(file, text);
    expect(await refused(["--config", file])).toStartWith(`${file}: ${reason}`);
  });

  test("a value in a configuration file, by the setting's name", async () => {
    await using directory = temporaryDirectory();
    const file = join(directory.path, "settings.toml");
    await writeFile(file, "max_runs = 0");
    const said = 'configuration file, maxRuns: expected a whole number from 1 to 100000, got "0"';
    expect(await refused(["--config", file])).toBe(said);
  });

  test("a configuration file that is not there or is a directory", async () => {
    await using directory = temporaryDirectory();
    const missing = join(directory.path, "missing.toml");
    expect(await refused(["--config", missing])).toBe(
      `Cannot read the configuration file ${missing}: it does not exist`,
    );
    expect(await refused(["--config", directory.path])).toStartWith(`${directory.path}: `);
  });

  test("a data directory that cannot be one", async () => {
    await using directory = temporaryDirectory();
    const file = join(directory.path, "file");
    await writeFile(file, "");
    const said = await refused([], { SANDERLING_DATA_DIR: join(file, "data") });
    expect(said).toStartWith("Cannot keep sandbox-id in the data directory: ");
  });
});
