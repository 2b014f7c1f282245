import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { findUser } from "../../../src/engine/user.ts";
import { openEngine } from "../../support/engine.ts";
import { execute, kernelPids } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

/** In Bash, whose kernel needs nothing that is below the home directory of root. */
test.if(process.getuid?.() === 0)(
  "a kernel runs as the user, who alone may reach it beside the daemon",
  async () => {
    await using lab = await openEngine({ runAs: "nobody" });
    const user = findUser("nobody");
    chmodSync(join(lab.workspace, ".."), 0o755);
    chmodSync(lab.temporary, 0o755);
    chownSync(lab.workspace, user.uid, user.gid);
    const context = await lab.engine.contexts.create({ language: "bash" });
    expect((await execute(context, "id -un; touch mine; stat -c %U mine")).stdout).toBe("nobody\nnobody\n");
    const [scratch = ""] = readdirSync(lab.temporary);
    const directory = join(lab.temporary, scratch);
    const [kernel = ""] = readdirSync(directory).filter((name) => name.startsWith("k"));
    const facts = (path: string) => ({ uid: statSync(path).uid, mode: statSync(path).mode & 0o777 });
    expect(facts(join(directory, kernel))).toEqual({ uid: user.uid, mode: 0o700 });
    expect(facts(join(directory, kernel, "connection.json"))).toEqual({ uid: user.uid, mode: 0o600 });
    const run = await context.execute({ code: "sleep 600" });
    await run.begun;
    expect(await context.interrupt()).toBe("interrupted");
    await lab.engine.contexts.delete(context.id);
    expect(kernelPids()).toEqual([]);
  },
);
