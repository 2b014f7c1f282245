// What the JavaScript library makes of a machine without a desktop. Run by desktop.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { DesktopNotAvailableError, Sandbox } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);
await assert.rejects(sandbox.desktop.screenshot(), (error) => {
  assert(error instanceof DesktopNotAvailableError);
  assert.match(error.message, /sanderling setup desktop/);
  return true;
});
console.log("refused");
