import type { Execution } from "../../engine/executions/execution.ts";
import type { ExecdContext } from "./context.ts";

/** The language `sql`: a statement on the server that a setting names (contracts/opensandbox-execd.md, 7.6). */
export function startQuery(statement: string, { engine, executionSurviveMs }: ExecdContext): Execution {
  const run = engine.database.run(statement);
  return engine.executions.add(run, {
    kind: "query",
    content: statement,
    owner: crypto.randomUUID(),
    surviveMs: executionSurviveMs,
  });
}
