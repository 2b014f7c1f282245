import { EngineError } from "../error.ts";
import type { RawFrame } from "./frame.ts";

export const PICTURE_FORMATS = ["png", "jpeg", "webp"] as const;
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

export interface PictureOptions {
  readonly format: PictureFormat;
  /** 1 to 100; for JPEG and WebP. */
  readonly quality: number;
  /** Size of the picture against that of the screen; 1 is the same. */
  readonly scale: number;
}

/** A picture in a format that programs know. */
export interface Picture {
  readonly bytes: Uint8Array;
  readonly format: PictureFormat;
  readonly width: number;
  readonly height: number;
}

export const PLAIN_PNG: PictureOptions = { format: "png", quality: 80, scale: 1 };

const FILE_HEAD_BYTES = 14;
const HEAD_BYTES = FILE_HEAD_BYTES + 40;
/** A screenshot is looked at once: smaller files are not worth a longer wait (DESIGN.md, "Pictures"). */
const PNG_LEVEL = 3;

/** Encodes on a worker thread of the runtime, which reads and writes the formats itself. */
export async function encode(frame: RawFrame, { format, quality, scale }: PictureOptions): Promise<Picture> {
  const width = Math.max(1, Math.round(frame.width * scale));
  const height = Math.max(1, Math.round(frame.height * scale));
  let image = new Bun.Image(toBitmap(frame));
  if (scale !== 1) image = image.resize(width, height);
  try {
    const bytes = await FORMATS[format](image, quality).bytes();
    return { bytes, format, width, height };
  } catch (cause) {
    throw new EngineError("internal", `Cannot make a ${format} of ${width}x${height}: ${String(cause)}`, {
      cause,
    });
  }
}

const FORMATS: Readonly<Record<PictureFormat, (image: Bun.Image, quality: number) => Bun.Image>> = {
  png: (image) => image.png({ compressionLevel: PNG_LEVEL }),
  jpeg: (image, quality) => image.jpeg({ quality }),
  webp: (image, quality) => image.webp({ quality }),
};

/** A Windows bitmap has its pixels as the display gives them: a head before them is all that is needed. */
export function toBitmap({ width, height, pixels }: RawFrame): Uint8Array {
  const file = new Uint8Array(HEAD_BYTES + pixels.byteLength);
  const view = new DataView(file.buffer);
  file.set([0x42, 0x4d]);
  view.setUint32(2, file.byteLength, true);
  view.setUint32(10, HEAD_BYTES, true);
  view.setUint32(14, HEAD_BYTES - FILE_HEAD_BYTES, true);
  view.setInt32(18, width, true);
  // Negative: the first row is the top one.
  view.setInt32(22, -height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 32, true);
  file.set(pixels, HEAD_BYTES);
  return file;
}
