import type { Subject } from "./harness/scenario.ts";
import { archives } from "./subjects/archives.ts";
import { commands } from "./subjects/commands.ts";
import { contexts } from "./subjects/contexts.ts";
import { desktop } from "./subjects/desktop.ts";
import { execd } from "./subjects/execd.ts";
import { files } from "./subjects/files.ts";
import { growth } from "./subjects/growth.ts";
import { languages } from "./subjects/languages.ts";
import { load } from "./subjects/load.ts";
import { observability } from "./subjects/observability.ts";
import { output } from "./subjects/output.ts";
import { start } from "./subjects/start.ts";
import { streams } from "./subjects/streams.ts";
import { terminals } from "./subjects/terminals.ts";
import { warm } from "./subjects/warm.ts";

/** Everything that is measured, in the order in which it is. To add a subject: a file, and its name here. */
export const CATALOGUE: readonly Subject[] = [
  start,
  commands,
  languages,
  warm,
  load,
  contexts,
  execd,
  output,
  streams,
  terminals,
  growth,
  files,
  archives,
  desktop,
  observability,
];
