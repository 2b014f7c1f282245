import type { z } from "zod";
import type { SearchMatch, SearchQuery } from "../../engine/files/search-query.ts";
import type { Reply, RequestInfo } from "../../http/route.ts";
import { route, type HopxContext } from "./context.ts";
import { searchRequest, searchResult } from "./files-more-schema.ts";
import { errorBody } from "./schema.ts";

const responses = {
  200: { description: "What was found; also when it was cut short", schema: searchResult },
  400: { description: "No pattern, or a wrong option", schema: errorBody },
  403: { description: "Outside the allowed roots, or not readable", schema: errorBody },
  404: { description: "No such file or directory", schema: errorBody },
} as const;

/** Content search, which no published route has. */
export const searchRoutes = [
  route({
    method: "POST",
    path: "/files/search",
    credential: "token",
    summary: "Search the lines of files",
    body: searchRequest,
    responses,
    handle: ({ body }, request, context) => answerSearch(body, request, context),
  }),
  route({
    method: "GET",
    path: "/files/search",
    credential: "token",
    summary: "Search the lines of files, with the fields in the query",
    query: searchRequest,
    responses,
    handle: ({ query }, request, context) => answerSearch(query, request, context),
  }),
];

async function answerSearch(
  asked: z.output<typeof searchRequest>,
  request: RequestInfo,
  { engine, maxOutputBytes }: HopxContext,
): Promise<Reply> {
  // Loaded at the first search, like the archives: start-up is for what every daemon does.
  const { search } = await import("../../engine/files/search.ts");
  const { matches, cut, filesSearched, ...rest } = await search(
    toQuery(asked, maxOutputBytes),
    engine,
    request.signal,
  );
  request.note({ engine: rest.engine, matches: matches.length, filesSearched });
  const body = {
    path: engine.paths.resolve(asked.path),
    matches: matches.map((match) => describeMatch(match, asked.context > 0)),
    count: matches.length,
    truncated: cut !== undefined,
    ...(cut === undefined ? {} : { truncated_by: cut }),
    files_searched: filesSearched,
    engine: rest.engine,
    timestamp: new Date().toISOString(),
  };
  return { status: 200, body };
}

function toQuery(asked: z.output<typeof searchRequest>, maxTextBytes: number): SearchQuery {
  return {
    path: asked.path,
    pattern: asked.pattern,
    isRegex: asked.regex,
    letterCase: asked.case,
    include: asked.include,
    exclude: asked.exclude,
    context: asked.context,
    hidden: asked.hidden,
    ignored: asked.ignored,
    maxResults: asked.max_results,
    maxLineBytes: asked.max_line_bytes,
    maxTextBytes,
    timeoutMs: asked.timeout * 1000,
  };
}

function describeMatch({ path, line, column, text, isCut, before, after }: SearchMatch, withNear: boolean) {
  return {
    path,
    line,
    column,
    text,
    ...(isCut ? { line_truncated: true } : {}),
    ...(withNear ? { before, after } : {}),
  };
}
