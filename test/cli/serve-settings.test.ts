import { describe, expect, test, setDefaultTimeout } from "bun:test";
import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { flagName, variableName } from "../../src/config/read.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { temporaryDirectory } from "../setup/support.ts";
import { cli, placedIn, ServeProcess } from "../support/cli.ts";

setDefaultTimeout(60_000);

const API_KEY = "X-API-Key";

const help = (await cli(["serve", "--help"])).stdout.replace(/\s+/g, " ");

describe("serve --help", () => {
  test.each(SETTINGS.map((setting) => [setting.key, setting] as const))(
    "names the flag, the variable and the default of %s",
    (_, setting) => {
      const variable = variableName(setting);
      const flag = setting.secret
        ? `${flagName(setting)}-file <FILE>`
        : `${flagName(setting)} <${setting.value}>`;
      const source = setting.secret ? `${variable} or ${variable}_FILE` : variable;
      expect(help).toContain(`--${flag} ${setting.help}`);
      expect(help).toContain(`[${source}; default: ${setting.shown}]`);
    },
  );

  test("names the configuration file and the exit codes", () => {
    expect(help).toContain("--config <FILE>");
    expect(help).toContain("SANDERLING_CONFIG");
    expect(help).toContain("Exit codes: 0 stopped, 1 failed, 2 bad settings.");
  });
});

/** An address of this machine that nothing else uses, so that a fixed port is free on it. */
function ownAddress(): string {
  return `127.${[1, 2, 3].map(() => randomInt(1, 255)).join(".")}`;
}

/** Where a value may come from, strongest first; each place has a value of its own. */
const SOURCES = ["flag", "variable", "variable's file", "configuration file"] as const;

interface Given {
  readonly args: string[];
  readonly env: Record<string, string>;
  readonly toml: string[];
  readonly json: Record<string, string | number>;
}

/** Gives each setting in each of the named places. */
async function give(directory: string, places: readonly (typeof SOURCES)[number][]): Promise<Given> {
  const given: Given = { args: [], env: {}, toml: [], json: {} };
  const file = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  if (places.includes("flag")) {
    given.args.push("--sandbox-id", "from-flag", "--workspace", join(directory, "w-flag"));
    given.args.push("--api-key-file", await file("flag-key", "the API key of the flag\n"));
  }
  if (places.includes("variable")) {
    given.env["SANDERLING_SANDBOX_ID"] = "from-variable";
    given.env["SANDERLING_WORKSPACE"] = join(directory, "w-variable");
    given.env["SANDERLING_API_KEY"] = "the API key of the variable";
  }
  if (places.includes("variable's file")) {
    given.env["SANDERLING_API_KEY_FILE"] = await file("key", "the API key of the variable's file\n");
  }
  if (places.includes("configuration file")) {
    given.toml.push('sandbox_id = "from-file"', `workspace = "${join(directory, "w-file")}"`);
    given.toml.push('api-key = "the API key of the configuration file"');
    given.json["sandboxId"] = "from-file";
    given.json["workspace"] = join(directory, "w-file");
    given.json["api_key"] = "the API key of the configuration file";
  }
  return given;
}

describe("a setting is taken from", () => {
  const rest = SOURCES.map((source, index) => [source, SOURCES.slice(index)] as const);
  const withSandboxId = {
    flag: "flag",
    variable: "variable",
    "variable's file": "file",
    "configuration file": "file",
  };

  test.each(rest)("the %s, over everything weaker", async (source, places) => {
    await using directory = temporaryDirectory();
    const { args, env, toml } = await give(directory.path, places);
    const file = join(directory.path, "settings.toml");
    await writeFile(file, toml.join("\n"));
    await using serving = await ServeProcess.start(["--json", "--config", file, ...args], {
      env: { ...placedIn(directory.path), SANDERLING_WORKSPACE: undefined, ...env },
    });
    const place = withSandboxId[source];
    expect(serving.ready).toMatchObject({
      sandbox_id: `from-${place}`,
      workspace: join(directory.path, `w-${place}`),
    });
    for (const other of SOURCES) {
      const { status } = await serving.fetch("/info", { [API_KEY]: `the API key of the ${other}` });
      expect([other, status]).toEqual([other, other === source ? 200 : 401]);
    }
  });

  test("a configuration file in JSON as well, named by a variable", async () => {
    await using directory = temporaryDirectory();
    const { json } = await give(directory.path, ["configuration file"]);
    const file = join(directory.path, "settings.json");
    const address = ownAddress();
    await writeFile(file, JSON.stringify({ ...json, hopxPort: 7791, host: address }));
    await using serving = await ServeProcess.start(["--json"], {
      env: { SANDERLING_DATA_DIR: join(directory.path, "data"), SANDERLING_CONFIG: file },
    });
    const info = await serving.fetch("/info", { [API_KEY]: "the API key of the configuration file" });
    expect(serving.ready.hopx).toEqual({ url: `http://${address}:7791`, port: 7791 });
    expect(await info.json()).toMatchObject({
      vm_id: "from-file",
      workspace: join(directory.path, "w-file"),
      vm_port: "7791",
    });
  });

  test("its default, where nobody gave one", async () => {
    await using directory = temporaryDirectory();
    const address = ownAddress();
    // The workspace's default is a directory of the whole machine, so that one is given.
    await using serving = await ServeProcess.start(["--json", "--host", address], {
      env: { ...placedIn(directory.path), SANDERLING_HOPX_PORT: undefined, SANDERLING_EXECD_PORT: undefined },
    });
    expect([serving.ready.hopx.port, serving.ready.execd.port]).toEqual([7777, 44772]);
    expect(serving.ready.sandbox_id).toMatch(/^[a-z0-9]{20}$/);
  });

  test("the flag: also the address and the port that it listens on", async () => {
    await using directory = temporaryDirectory();
    const address = ownAddress();
    await using serving = await ServeProcess.start(["--json", "--host", address, "--hopx-port", "7792"], {
      env: { ...placedIn(directory.path), SANDERLING_HOST: "127.0.0.1", SANDERLING_HOPX_PORT: "0" },
    });
    expect(serving.ready.hopx).toEqual({ url: `http://${address}:7792`, port: 7792 });
    expect((await fetch(`http://${address}:7792/ping`)).status).toBe(200);
  });

  test("the next weaker place when a variable is empty", async () => {
    await using directory = temporaryDirectory();
    const env = { ...placedIn(directory.path), SANDERLING_SANDBOX_ID: "", SANDERLING_CONFIG: "" };
    await using serving = await ServeProcess.start(["--json"], { env });
    expect(serving.ready.sandbox_id).toMatch(/^[a-z0-9]{20}$/);
  });
});
