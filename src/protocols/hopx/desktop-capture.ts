import { basename } from "node:path";
import { z } from "zod";
import type { PictureFormat } from "../../engine/desktop/picture.ts";
import type { Recording, RecordingOptions } from "../../engine/desktop/recording.ts";
import type { Capture } from "../../engine/desktop/screenshot.ts";
import type { Session } from "../../engine/desktop/session.ts";
import { versionOf } from "../../engine/files/entry.ts";
import { answerFile } from "../../http/file-answer.ts";
import type { Outcome, RequestInfo, Route } from "../../http/route.ts";
import { route, type HopxContext } from "./context.ts";
import { deviceRoutes, type Action } from "./desktop-action.ts";
import { onScreen } from "./desktop-input.ts";
import {
  pictureQuery,
  recordingBody,
  recordingFacts,
  recordingId,
  regionBody,
  responses,
  screenshotAnswer,
  windowQuery,
} from "./desktop-schema.ts";
import { anyObject } from "./schema.ts";

/** Screenshots and recordings (contracts/hopx-agent.md, 11.1). */

const STABLE_TIMEOUT_MS = 5000;
const QUALITY = 80;
const FPS = 10;
const RECORD_SECONDS = 3600;
const RECORD_BYTES = 2 ** 30;
/** Of a recording that is answered as a list of numbers, which takes several times as much. */
const MOST_LISTED_BYTES = 64 * 2 ** 20;

type PictureWish = z.output<typeof pictureQuery>;
type Take = (session: Session) => Promise<Capture>;

/** A picture as the client can read it: JSON where it asks for that, else the bytes. */
async function answerPicture(
  wish: PictureWish,
  { raw, signal }: RequestInfo,
  { engine }: HopxContext,
  take: Take,
  json: "picture" | "buffer" = "picture",
): Promise<Outcome> {
  const session = await engine.desktop.use();
  const stable = await settle(session, wish, signal);
  const { encode } = await import("../../engine/desktop/picture.ts");
  const frame = await take(session);
  const { bytes, ...facts } = await encode(frame, {
    format: formatOf(wish),
    quality: wish.quality ?? QUALITY,
    scale: wish.scale ?? 1,
  });
  if (!wantsJson(wish, raw))
    return new Response(bytes, { headers: { "Content-Type": `image/${facts.format}` } });
  if (json === "buffer") return { status: 200, body: listed(bytes) };
  const image = Buffer.from(bytes).toString("base64");
  const screen = await session.screens.size();
  const body = {
    success: true as const,
    image,
    ...facts,
    screen,
    ...(stable === undefined ? {} : { stable }),
  };
  return { status: 200, body: body satisfies z.output<typeof screenshotAnswer> };
}

async function settle(
  session: Session,
  wish: PictureWish,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const quietMs = wish.stable_ms ?? 0;
  if (quietMs === 0) return undefined;
  const { waitUntilStable } = await import("../../engine/desktop/screenshot.ts");
  return waitUntilStable(session, { quietMs, timeoutMs: wish.timeout_ms ?? STABLE_TIMEOUT_MS }, signal);
}

function formatOf({ format }: PictureWish): PictureFormat {
  return format === "jpg" ? "jpeg" : (format ?? "png");
}

/** Only the JavaScript library names JSON; it reads bytes as text and spoils them (11.2). */
function wantsJson({ response }: PictureWish, { headers }: Request): boolean {
  if (response) return response === "json";
  return (headers.get("accept") ?? "").includes("application/json");
}

/** Bytes as the JavaScript library makes a buffer of them. */
function listed(bytes: Uint8Array): object {
  return { type: "Buffer", data: [...bytes] };
}

const pictureResponses = {
  ...responses,
  200: { description: "A picture: JSON where Accept names it, else its bytes", schema: screenshotAnswer },
};

const takeScreen =
  (wish: PictureWish): Take =>
  async (session) =>
    (await import("../../engine/desktop/screenshot.ts")).capture(session, {
      withCursor: wish.cursor ?? false,
    });

const screenshotRoutes: Route<HopxContext>[] = [
  route({
    method: "GET",
    path: "/desktop/screenshot",
    credential: "token",
    summary: "A picture of the screen",
    query: pictureQuery,
    responses: pictureResponses,
    handle: ({ query }, request, context) => answerPicture(query, request, context, takeScreen(query)),
  }),
  route({
    method: "POST",
    path: "/desktop/screenshot",
    credential: "token",
    summary: "A picture of the screen",
    body: pictureQuery,
    responses: pictureResponses,
    handle: ({ body }, request, context) => answerPicture(body, request, context, takeScreen(body)),
  }),
  route({
    method: "POST",
    path: "/desktop/screenshot/region",
    credential: "token",
    summary: "A picture of a part of the screen",
    body: regionBody,
    responses: pictureResponses,
    handle: ({ body }, request, context) =>
      answerPicture(
        body,
        request,
        context,
        async (session) => {
          const { capture } = await import("../../engine/desktop/screenshot.ts");
          const from = await onScreen(session, body, body);
          const to = await onScreen(
            session,
            { x: body.x + body.width - 1, y: body.y + body.height - 1 },
            body,
          );
          const area = { ...from, width: to.x - from.x + 1, height: to.y - from.y + 1 };
          return capture(session, { area, withCursor: body.cursor ?? false });
        },
        "buffer",
      ),
  }),
  route({
    method: "GET",
    path: "/desktop/x11/capture_window",
    aliases: ["/desktop/x11/capture-window", "/desktop/windows/capture"],
    credential: "token",
    summary: "A picture of a window, brought to the front; always its bytes unless response=json",
    query: windowQuery,
    responses: pictureResponses,
    handle: ({ query }, request, context) =>
      // Both libraries read bytes here, whatever they accept.
      answerPicture({ ...query, response: query.response ?? "raw" }, request, context, async (session) => {
        const { captureWindow } = await import("../../engine/desktop/screenshot.ts");
        return captureWindow(session, query.window_id ?? undefined);
      }),
  }),
];

function describe(recording: Recording): z.output<typeof recordingFacts> {
  const { end, path, options } = recording;
  return {
    success: true,
    recording_id: recording.id,
    recording: end === undefined,
    status: end?.state ?? "recording",
    reason: end?.reason ?? null,
    start_time: recording.startedAt.toISOString(),
    end_time: recording.endedAt?.toISOString() ?? null,
    duration: Math.round(recording.seconds * 1000) / 1000,
    file_path: path,
    output_file: path,
    file_size: recording.bytes,
    format: options.format,
  };
}

function optionsOf(body: z.output<typeof recordingBody>): RecordingOptions {
  const named = /\.(mp4|webm)$/i.exec(body.output_file ?? "")?.[1]?.toLowerCase();
  return {
    fps: body.fps ?? FPS,
    format: body.format ?? (named === "webm" ? "webm" : "mp4"),
    quality: body.quality ?? "medium",
    mostSeconds: body.max_seconds ?? RECORD_SECONDS,
    mostBytes: body.max_bytes ?? RECORD_BYTES,
  };
}

const startRecording: Action["perform"] = async (parsed, request, { engine }) => {
  // Safe: parsed with this very schema.
  const body = parsed as z.output<typeof recordingBody>;
  const path = body.output_file ? engine.paths.resolve(body.output_file) : undefined;
  const recording = await engine.desktop.recordings.start(optionsOf(body), path);
  request.note({ recordingId: recording.id });
  return describe(recording);
};

const stopRecording: Action["perform"] = async (parsed, _, { engine }) => {
  const recording = engine.desktop.recordings.get(idOf(parsed as z.output<typeof recordingId>));
  await recording.stop();
  return describe(recording);
};

const recordingStatus: Action["perform"] = (parsed, _, { engine }) => {
  const id = idOf(parsed as z.output<typeof recordingId>);
  const { recordings } = engine.desktop;
  const nothing = {
    success: true,
    recording_id: null,
    recording: false,
    status: "stopped",
    reason: null,
    duration: 0,
    file_size: 0,
    format: "mp4",
  };
  const isAsked = id !== undefined || recordings.list().length > 0;
  return Promise.resolve(isAsked ? describe(recordings.get(id)) : nothing);
};

function idOf({ recording_id, id }: z.output<typeof recordingId>): string | undefined {
  return recording_id ?? id ?? undefined;
}

async function download(
  id: string | undefined,
  { raw }: RequestInfo,
  { engine }: HopxContext,
): Promise<Outcome> {
  const recording = engine.desktop.recordings.get(id);
  const entry = await engine.paths.openForRead(recording.path);
  if (!wantsJson({}, raw) || recording.bytes > MOST_LISTED_BYTES) {
    const version = versionOf(entry);
    const response = await answerFile(
      { handle: entry.handle, name: basename(recording.path), ...version },
      raw,
    );
    response.headers.set("Content-Type", `video/${recording.options.format}`);
    return response;
  }
  try {
    return { status: 200, body: listed(await entry.handle.readFile()) };
  } finally {
    await entry.handle.close();
  }
}

const recordingDevice = {
  start: {
    body: recordingBody,
    summary: "Start to record the screen",
    answer: recordingFacts,
    perform: startRecording,
  },
  stop: {
    body: recordingId,
    summary: "End a recording, by default the newest",
    answer: recordingFacts,
    perform: stopRecording,
  },
  status: {
    body: recordingId,
    summary: "State of a recording",
    answer: recordingFacts,
    perform: recordingStatus,
  },
};

const recordingResponses = { ...responses, 200: { description: "Its state", schema: recordingFacts } };

export const captureRoutes: Route<HopxContext>[] = [
  ...screenshotRoutes,
  ...deviceRoutes({
    device: "recording",
    actions: recordingDevice,
    infer: (body) => ("recording_id" in body ? "stop" : "start"),
  }),
  route({
    method: "GET",
    path: "/desktop/recording/status",
    credential: "token",
    summary: "State of a recording, by default the newest",
    query: recordingId,
    responses: recordingResponses,
    handle: async ({ query }, request, context) => ({
      status: 200,
      body: await recordingStatus(query, request, context),
    }),
  }),
  route({
    method: "GET",
    path: "/desktop/recording/list",
    aliases: ["/desktop/recordings"],
    credential: "token",
    summary: "Recordings, the newest first",
    responses: { ...responses, 200: { description: "All that are remembered", schema: anyObject } },
    handle: (_, __, { engine }) => {
      const recordings = engine.desktop.recordings.list().map(describe);
      return { status: 200, body: { success: true, recordings, count: recordings.length } };
    },
  }),
  route({
    method: "GET",
    path: "/desktop/recording/download",
    credential: "token",
    summary: "The file of a recording, by default the newest",
    query: recordingId,
    responses: { ...responses, 200: { description: "The file; for the JavaScript library a list of bytes" } },
    handle: ({ query }, request, context) => download(idOf(query), request, context),
  }),
  route({
    method: "GET",
    path: "/desktop/recording/{id}/download",
    credential: "token",
    summary: "The file of a recording",
    params: z.object({ id: z.string() }),
    responses: { ...responses, 200: { description: "The file; for the JavaScript library a list of bytes" } },
    handle: ({ params }, request, context) => download(params.id, request, context),
  }),
];
