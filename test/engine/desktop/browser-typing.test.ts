import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { TestDesktop } from "../../support/desktop.ts";
import { until } from "../../support/engine.ts";
import { MIXED_SCRIPTS } from "../../support/mixed-scripts.ts";

setDefaultTimeout(120_000);

/** Tells the server what its only field holds, whenever that changes. */
const FORM = `<!doctype html><meta charset="utf-8"><title>form</title>
<textarea autofocus style="width:90vw;height:80vh"></textarea>
<script>
  const field = document.querySelector("textarea");
  let last = Promise.resolve();
  const tell = (value) => (last = last.then(() => fetch("/told", { method: "POST", body: value })));
  field.addEventListener("input", () => tell(field.value));
  const ready = () => document.hasFocus() && document.activeElement === field ? tell("ready") : setTimeout(ready, 50);
  ready();
</script>`;

test("text of all scripts arrives in a browser's text field unchanged, three times in a row", async () => {
  let told = "";
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/": new Response(FORM, { headers: { "content-type": "text/html" } }),
      "/told": async (request) => {
        told = await request.text();
        return new Response();
      },
    },
  });
  await using desk = await TestDesktop.open();
  const profile = join(desk.test.workspace, "profile");
  await desk.launch(
    ...(["chromium", "--no-sandbox", "--no-first-run", "--disable-gpu", "--password-store=basic"] as const),
    `--user-data-dir=${profile}`,
    `--app=${server.url.href}`,
  );
  await until(() => told === "ready");
  for (let times = 1; times <= 3; times++) {
    await desk.session.keyboard.type(MIXED_SCRIPTS, 0);
    const wanted = MIXED_SCRIPTS.repeat(times);
    await until(() => told.length >= wanted.length);
    expect(told).toBe(wanted);
  }
});
