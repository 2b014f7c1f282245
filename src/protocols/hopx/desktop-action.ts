import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import { describeIssues, HttpFault } from "../../http/fault.ts";
import type { RequestInfo, Route } from "../../http/route.ts";
import { route, type HopxContext } from "./context.ts";
import { responses } from "./desktop-schema.ts";
import { anyObject } from "./schema.ts";

/** What a device can be asked to do, under its own path and as a word in the body of the device's one path. */
export interface Action {
  readonly body: z.ZodType;
  readonly summary: string;
  readonly answer?: z.ZodType;
  readonly perform: (body: unknown, request: RequestInfo, context: HopxContext) => Promise<object>;
}

export interface Device<Name extends string> {
  /** The last part of its path: `/desktop/mouse`. */
  readonly device: string;
  readonly actions: Readonly<Record<Name, Action>>;
  readonly aliases?: Readonly<Partial<Record<Name, readonly string[]>>>;
  /** What is meant by a body that names no action. */
  infer(body: Readonly<Record<string, unknown>>): Name;
}

/**
 * One row for each action, and one for the form of the published index, whose body nobody has described: an
 * `action` word beside the fields, or the fields alone (contracts/hopx-agent.md, 11.2).
 */
export function deviceRoutes<Name extends string>(device: Device<Name>): Route<HopxContext>[] {
  const path = `/desktop/${device.device}`;
  const entries = Object.entries(device.actions) as [Name, Action][];
  const rows = entries.map(([name, { body, summary, answer, perform }]) =>
    route({
      method: "POST",
      path: `${path}/${name}`,
      aliases: device.aliases?.[name] ?? [],
      credential: "token",
      summary,
      body,
      responses: answer ? { ...responses, 200: { description: "Done", schema: answer } } : responses,
      handle: async (input, request, context) => ({
        status: 200,
        body: await perform(input.body, request, context),
      }),
    }),
  );
  return [...rows, single(path, device)];
}

function single<Name extends string>(path: string, device: Device<Name>): Route<HopxContext> {
  return route({
    method: "POST",
    path,
    credential: "token",
    summary: `As the other ${path} routes: \`action\` names one, else the fields say which is meant`,
    body: anyObject,
    responses,
    handle: async ({ body }, request, context) => {
      const { action: named, ...fields } = body;
      const name = typeof named === "string" ? named.replaceAll("-", "_") : device.infer(fields);
      const found = new Map<string, Action>(Object.entries(device.actions)).get(name);
      if (!found) {
        const known = Object.keys(device.actions).join(", ");
        throw new EngineError("invalid", `The ${device.device} cannot ${name}; it can ${known}`);
      }
      const parsed = found.body.safeParse(fields);
      if (!parsed.success) throw new HttpFault("invalid_input", describeIssues(parsed.error));
      request.note({ action: name });
      return { status: 200, body: await found.perform(parsed.data, request, context) };
    },
  });
}
