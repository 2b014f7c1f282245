import { z } from "zod";
import { BUTTONS } from "../../engine/desktop/pointer.ts";
import { MOST_CLIP_BYTES } from "../../engine/desktop/clipboard-limits.ts";
import { PICTURE_FORMATS } from "../../engine/desktop/picture.ts";
import { RECORDING_FORMATS, RECORDING_QUALITIES } from "../../engine/desktop/recording.ts";
import { errorBody } from "./schema.ts";

/** Shapes of the desktop routes (contracts/hopx-agent.md, 11). */

const HOUR_SECONDS = 3600;
const GIBIBYTE = 2 ** 30;
const LONGEST_TEXT = 100_000;

/** Pixels; libraries that scale send fractions. */
export const pixel = z.number().transform(Math.floor).meta({ type: "number" });
const size = z.number().min(1).max(100_000).transform(Math.round).meta({ type: "number" });

export const done = z
  .object({ success: z.literal(true) })
  .loose()
  .meta({ id: "DesktopDone" });

export const responses = {
  200: { description: "Done", schema: done },
  400: { description: "Invalid request; or DESKTOP_NOT_AVAILABLE, with what is missing", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  404: { description: "No such window, recording or element", schema: errorBody },
} as const;

/** Where the picture that the caller looked at had another size than the screen. */
const picture = {
  image_width: size
    .nullish()
    .describe("Width of the picture that x and y were read off, where it was scaled"),
  image_height: size.nullish(),
};
const place = { x: pixel, y: pixel, ...picture };
const optionalPlace = { x: pixel.nullish(), y: pixel.nullish(), ...picture };
// The keys of the engine's own table; `Object.keys` forgets what they are.
const button = z.enum(Object.keys(BUTTONS) as (keyof typeof BUTTONS)[]);
const whichButton = button.nullish().transform((value) => value ?? "left");

export const clickBody = z
  .object({ ...optionalPlace, button: whichButton, clicks: z.int().min(1).max(10).nullish() })
  .meta({ id: "MouseClick", example: { x: 100, y: 200, button: "left", clicks: 2 } });
export const moveBody = z.object(place).meta({ id: "MouseMove" });
export const buttonBody = z.object({ ...optionalPlace, button: whichButton }).meta({ id: "MouseButton" });
export const dragBody = z
  .object({
    from_x: pixel,
    from_y: pixel,
    to_x: pixel,
    to_y: pixel,
    ...picture,
    button: whichButton,
    steps: z.int().min(1).max(1000).nullish().describe("Places on the way; default 20"),
    duration_ms: z.int().min(0).max(60_000).nullish().describe("Of the whole way; default 200"),
  })
  .meta({ id: "MouseDrag" });
export const scrollBody = z
  .object({
    ...optionalPlace,
    delta_y: z.number().nullish().describe("Notches of the wheel, downwards where positive"),
    delta_x: z.number().nullish().describe("Notches, to the right where positive"),
    amount: z.number().nullish().describe("Notches in `direction`; default 3"),
    direction: z.enum(["up", "down", "left", "right"]).nullish(),
  })
  .meta({ id: "MouseScroll", example: { amount: 5, direction: "down" } });

const key = z.string().min(1).max(40).describe("For example Return, Escape, F5, ctrl, a");
const keys = z.array(key).min(1).max(8);
const holdMs = z.int().min(0).max(60_000).nullish().describe("How long the keys stay down; default 0");
export const typeBody = z
  .object({
    text: z.string().max(LONGEST_TEXT),
    delay_ms: z.int().min(0).max(1000).nullish().describe("After each character; default 0"),
  })
  .meta({ id: "KeyboardType", example: { text: "Grüße, 世界 🎉\n" } });
export const pressBody = z.object({ key, hold_ms: holdMs }).meta({ id: "KeyboardPress" });
export const keyBody = z.object({ key }).meta({ id: "KeyboardKey" });
export const combinationBody = z
  .object({
    keys: keys.nullish(),
    modifiers: z.array(key).max(7).nullish(),
    key: key.nullish(),
    hold_ms: holdMs,
  })
  .refine(({ keys: all, key: one }) => Boolean(all) !== Boolean(one), {
    message: "Give either keys, or modifiers and key",
  })
  .meta({ id: "KeyboardCombination", example: { keys: ["ctrl", "c"] } });

export const vncStartBody = z
  .object({
    display: z
      .int()
      .min(1)
      .max(99)
      .nullish()
      .describe("Number of the display, for a desktop not yet started"),
    password: z.string().nullish().describe("6 to 8 bytes; default: one is made"),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .nullish()
      .describe("On 127.0.0.1; default: 5900 and the display, or any other when that is taken"),
  })
  .meta({ id: "VncStart" });
export const vncInfo = z
  .object({
    success: z.literal(true),
    running: z.boolean(),
    display: z.int().nullable(),
    port: z.int().nullable().describe("On 127.0.0.1 of the sandbox"),
    url: z.string().describe("Empty while it is not running"),
    password: z.string().optional(),
    view_only_password: z.string().optional(),
    viewers: z.int().optional(),
    desktop: z.enum(["stopped", "starting", "running", "failed"]),
    restarts: z.int().describe("How often the display was started again because it had ended by itself"),
    last_end: z.string().nullable().describe("How it had ended"),
    page: z.string().describe("Path of the page with a viewer; opened with a ticket"),
  })
  .meta({ id: "VncInfo" });

export const pictureQuery = z.object({
  format: z.enum([...PICTURE_FORMATS, "jpg"]).nullish(),
  quality: z.coerce.number().int().min(1).max(100).nullish().describe("JPEG and WebP; default 80"),
  scale: z.coerce.number().min(0.05).max(2).nullish().describe("Default 1"),
  cursor: z.stringbool().or(z.boolean()).nullish().describe("Draw the pointer; default false"),
  stable_ms: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .nullish()
    .describe("Wait until the screen has not changed for so long"),
  timeout_ms: z.coerce.number().int().min(1).max(60_000).nullish().describe("Of that wait; default 5000"),
  response: z.enum(["json", "raw"]).nullish().describe("Default: as the header Accept says"),
});
const rectangle = { x: pixel, y: pixel, width: size, height: size };
export const regionBody = z
  .object({ ...pictureQuery.shape, ...rectangle, ...picture })
  .meta({ id: "Region" });
export const windowQuery = z.object({
  ...pictureQuery.shape,
  window_id: z.coerce.number().int().nullish().describe("Default: the active window"),
});
export const screenshotAnswer = z
  .object({
    success: z.literal(true),
    image: z.string().describe("Base64"),
    format: z.enum(PICTURE_FORMATS),
    width: z.int(),
    height: z.int(),
    screen: z.object({ width: z.int(), height: z.int() }),
    stable: z.boolean().optional().describe("Whether the wanted quiet came about; only with stable_ms"),
  })
  .meta({ id: "Screenshot" });

export const recordingBody = z
  .object({
    fps: z.int().min(1).max(60).nullish().describe("Default 10"),
    format: z.enum(RECORDING_FORMATS).nullish().describe("Default mp4, or what the name of output_file says"),
    quality: z.enum(RECORDING_QUALITIES).nullish().describe("Default medium"),
    output_file: z.string().min(1).nullish().describe("Default: below recordings in the workspace"),
    max_seconds: z
      .number()
      .positive()
      .max(24 * HOUR_SECONDS)
      .nullish()
      .describe("Default one hour"),
    max_bytes: z
      .int()
      .min(100_000)
      .max(64 * GIBIBYTE)
      .nullish()
      .describe("Default 1 GiB"),
  })
  .meta({ id: "RecordingStart" });
export const recordingId = z.object({ recording_id: z.string().nullish(), id: z.string().nullish() });
export const recordingFacts = z
  .object({
    success: z.literal(true),
    recording_id: z.string().nullable(),
    recording: z.boolean(),
    status: z.enum(["recording", "stopped", "failed"]),
    reason: z
      .string()
      .nullable()
      .describe("requested, time_limit, size_limit, resolution_changed, or what failed"),
    start_time: z.iso.datetime().nullable(),
    end_time: z.iso.datetime().nullable(),
    duration: z.number().describe("Seconds, so far or in all"),
    file_path: z.string().nullable(),
    output_file: z.string().nullable(),
    file_size: z.int(),
    format: z.enum(RECORDING_FORMATS),
  })
  .meta({ id: "Recording" });

/** Decimal, as a number or as text; other tools write the same number in hexadecimal. */
const windowId = z
  .union(
    [
      z.int().min(0),
      z
        .string()
        .regex(/^(\d+|0x[\da-f]+)$/i)
        .transform(Number),
    ],
    { error: ({ input }) => `expected the number of a window, received ${String(input)}` },
  )
  .meta({
    type: "string",
  });
export const windowBody = z.object({ window_id: windowId }).meta({ id: "WindowId" });
export const maximizeBody = z.object({ window_id: windowId, restore: z.boolean().nullish() });
export const moveWindowBody = z.object({ window_id: windowId, x: pixel, y: pixel });
export const resizeWindowBody = z.object({ window_id: windowId, width: size, height: size });
export const launchBody = z
  .object({
    command: z.string().min(1).describe("A program, or with no args a line for /bin/sh"),
    args: z.array(z.string()).nullish(),
    env: z.record(z.string(), z.string()).nullish(),
    working_dir: z.string().nullish(),
    wait: z
      .boolean()
      .nullish()
      .describe(
        "Until its window is there, or it has failed; default true. Without it success says only that it was begun",
      ),
    timeout: z.number().min(0).max(300).nullish().describe("Seconds to wait; default 20"),
  })
  .meta({ id: "Launch", example: { command: "xterm" } });
export const windowFacts = z
  .object({
    id: z.string(),
    title: z.string(),
    class: z.string(),
    x: z.int(),
    y: z.int(),
    width: z.int(),
    height: z.int(),
    content: z
      .object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() })
      .describe("Without the frame"),
    pid: z.int().nullable(),
    desktop: z.int().nullable(),
    focused: z.boolean(),
    isActive: z.boolean(),
    isMinimized: z.boolean(),
    isMaximized: z.boolean(),
  })
  .meta({ id: "Window" });
export const windowList = z.object({
  success: z.literal(true),
  windows: z.array(windowFacts),
  count: z.int(),
});

export const clipboardBody = z
  .object({
    content: z.string().nullish(),
    text: z.string().nullish(),
    data: z
      .string()
      .max(2 * MOST_CLIP_BYTES)
      .nullish()
      .describe("Base64, for a type that is no text"),
    type: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-]+$/)
      .nullish()
      .describe("For example image/png, with data"),
  })
  .meta({ id: "ClipboardSet" });
export const clipboardQuery = z.object({
  type: z.string().min(3).max(200).nullish().describe("For example image/png; default: text"),
});

export const displayBody = z
  .object({ width: z.int().min(64).max(7680), height: z.int().min(64).max(7680) })
  .meta({ id: "DisplaySet" });
export const displayInfo = z
  .object({
    success: z.literal(true),
    width: z.int(),
    height: z.int(),
    depth: z.int(),
    refresh_rate: z.number(),
    displays: z.array(
      z.object({ id: z.int(), name: z.string(), width: z.int(), height: z.int(), primary: z.boolean() }),
    ),
  })
  .meta({ id: "Display" });

export const ocrBody = z
  .object({
    x: pixel.nullish(),
    y: pixel.nullish(),
    width: size.nullish(),
    height: size.nullish(),
    ...picture,
    language: z
      .string()
      .regex(/^\w+(\+\w+)*$/)
      .nullish()
      .describe("Default eng; several as eng+deu"),
  })
  .meta({ id: "Ocr" });
export const findBody = z
  .object({
    text: z.string().min(1).max(1000),
    language: z
      .string()
      .regex(/^\w+(\+\w+)*$/)
      .nullish(),
    timeout: z.number().min(0).max(600).nullish().describe("Seconds, for waiting; default 30"),
  })
  .meta({ id: "FindText" });
