/** Largest value that is taken or kept. */
export const MOST_CLIP_BYTES = 32 * 1024 * 1024;
