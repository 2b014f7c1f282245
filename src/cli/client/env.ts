import { Command } from "commander";
import { print } from "../output.ts";
import { addClientOptions, ClientError, Connection, type ClientOptions } from "./connection.ts";
import { parseVariable } from "./fields.ts";

interface Variables {
  readonly env_vars: Readonly<Record<string, string>>;
}

/** `sanderling env`: the variables that every later run gets. */
export function envCommand(): Command {
  const command = new Command("env").description("show and change the variables that later runs get");
  const list = new Command("list").description("print all of them, as NAME=VALUE").alias("ls");
  const get = new Command("get").description("print one").argument("<NAME>");
  const set = new Command("set").description("set some").argument("<NAME=VALUE...>");
  const unset = new Command("unset").description("take some away").argument("<NAME...>");
  for (const one of [list, get, set, unset]) command.addCommand(addClientOptions(one));
  list.action(async (options: ClientOptions) => {
    const { env_vars } = await (await Connection.open(options)).json<Variables>("/env");
    if (options.output === "json") print(JSON.stringify(env_vars));
    else for (const [name, value] of Object.entries(env_vars)) print(`${name}=${value}`);
  });
  get.action(async (name: string, options: ClientOptions) => {
    const { env_vars } = await (await Connection.open(options)).json<Variables>("/env");
    const value = env_vars[name];
    if (value === undefined) throw new ClientError(`There is no variable ${name}`);
    print(options.output === "json" ? JSON.stringify({ [name]: value }) : value);
  });
  set.action(async (given: string[], options: ClientOptions) => {
    const env_vars = Object.fromEntries(given.map(parseVariable));
    await (await Connection.open(options)).json("/env", "PATCH", { env_vars, merge: true });
  });
  unset.action(async (names: string[], options: ClientOptions) => {
    const connection = await Connection.open(options);
    for (const name of names) await connection.json(`/env/${encodeURIComponent(name)}`, "DELETE");
  });
  command.addHelpText(
    "after",
    "\nExamples:\n  sanderling env list\n  sanderling env set API_KEY=x DEBUG=1\n  sanderling env unset DEBUG",
  );
  return command;
}
