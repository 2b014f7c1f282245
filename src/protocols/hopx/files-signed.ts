import { writeFile } from "../../engine/files/write.ts";
import { readChunks } from "../../http/chunks.ts";
import type { SignedGrant } from "../../http/url-signer.ts";
import { z } from "zod";
import { route, type HopxContext } from "./context.ts";
import { answerDownload } from "./download.ts";
import { HopxRefusal } from "./errors.ts";
import { signedQuery, signRequest, signResult } from "./files-more-schema.ts";
import { fileWritten } from "./files-schema.ts";
import { answerWritten } from "./file-answers.ts";
import { errorBody } from "./schema.ts";
import { toWriteRequest } from "./write-request.ts";

const PATH = "/files/signed";
const refusals = {
  400: { description: "Not a path that can be used, or a special file", schema: errorBody },
  403: {
    description: "Not signed, expired, for another file or method, or the system refuses",
    schema: errorBody,
  },
} as const;

/** Addresses that let their bearer read or write one file for a time, without a token. */
export const signedRoutes = [
  route({
    method: "POST",
    path: "/files/sign",
    credential: "token",
    summary: "Make an address that works without a token, for one file and one method",
    body: signRequest,
    responses: { 200: { description: "The address", schema: signResult }, ...refusals },
    handle: ({ body: { path: asked, method, expires_in } }, { raw }, { engine, urlSigner, publicUrl }) => {
      // As it leads now: what a relative path means must not change under a signature.
      const path = engine.paths.resolve(asked);
      const expires = Math.floor(Date.now() / 1000) + expires_in;
      const signature = urlSigner.sign({ method, path, expires });
      const url = new URL(`${(publicUrl ?? new URL(raw.url).origin).replace(/\/+$/, "")}${PATH}`);
      url.search = new URLSearchParams({ path, expires: String(expires), signature }).toString();
      return {
        status: 200,
        headers: { "Cache-Control": "no-store" },
        body: { url: url.href, method, path, expires_at: new Date(expires * 1000).toISOString() },
      };
    },
  }),

  route({
    method: "GET",
    path: PATH,
    credential: "none",
    summary: "Stream a file's bytes by a signed address; Range is heeded",
    query: signedQuery,
    responses: {
      200: { description: "The bytes" },
      206: { description: "The range asked for" },
      404: { description: "There is no such file", schema: errorBody },
      ...refusals,
    },
    handle: async ({ query }, request, context) => {
      const path = requireGrant(query, "GET", context);
      const response = await answerDownload(await context.engine.paths.openForRead(path), request.raw);
      // The address is a secret as long as it is good: no cache keeps the answer, no link tells where it was.
      response.headers.set("Cache-Control", "private, no-store");
      response.headers.set("Referrer-Policy", "no-referrer");
      return response;
    },
  }),

  route({
    method: "PUT",
    path: PATH,
    credential: "none",
    summary: "Write a file by a signed address: all of the body or nothing of it",
    query: signedQuery,
    rawBody: { contentType: "application/octet-stream", schema: z.string().meta({ format: "binary" }) },
    responses: {
      200: { description: "Written", schema: fileWritten },
      412: { description: "If-Match or If-None-Match does not hold", schema: errorBody },
      413: { description: "Too large, or the disk is full", schema: errorBody },
      ...refusals,
    },
    handle: async ({ query }, { raw }, context) => {
      const path = requireGrant(query, "PUT", context);
      const { engine, maxUploadBytes } = context;
      const wanted = toWriteRequest({ path, overwrite: true }, raw.headers);
      const written = await writeFile(engine.paths, wanted, readChunks(raw, maxUploadBytes));
      return answerWritten(written, "File written successfully");
    },
  }),
];

/** The path that the bearer of this address may use. A wrong signature is told before an expired one. */
function requireGrant(
  { path, expires, signature }: z.output<typeof signedQuery>,
  method: SignedGrant["method"],
  { urlSigner }: HopxContext,
): string {
  if (path === undefined || expires === undefined || signature === undefined)
    throw new HopxRefusal(
      403,
      "FORBIDDEN",
      "This address is not whole: path, expires or signature is missing",
    );
  const time = /^\d{1,12}$/.test(expires) ? Number(expires) : 0;
  if (!urlSigner.verify({ method, path, expires: time }, signature))
    throw new HopxRefusal(403, "FORBIDDEN", `This address is not signed for ${method} of this file`);
  if (time * 1000 <= Date.now())
    throw new HopxRefusal(403, "FORBIDDEN", `This address expired at ${new Date(time * 1000).toISOString()}`);
  return path;
}
