import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon } from "../support/daemon.ts";
import { until } from "../support/engine.ts";
import { ConsoleBrowser, logIn, outputFrame, runCode, seriousFindings } from "./browser.ts";

setDefaultTimeout(60_000);

let daemon: TestDaemon;
let browser: ConsoleBrowser;

beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true });
  browser = await ConsoleBrowser.open(daemon);
  const page = await browser.page();
  await logIn(page, daemon.token);
  await page.getByRole("textbox", { name: "Code" }).waitFor();
  await page.close();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

describe("Run", () => {
  test("shows the plot and the table of code that runs in a context, and keeps its variables", async () => {
    await using page = await browser.page("run");
    const code = [
      "import matplotlib.pyplot as plt, pandas as pd",
      "kept = 6 * 7",
      "plt.plot([1, 3, 2]); plt.show()",
      "pd.DataFrame({'height': [1.5, 2.5]})",
    ];
    await runCode(page, code.join("\n"));
    const plot = page.locator("img.plot");
    await plot.waitFor();
    await until(async () => (await plot.evaluate("image => image.naturalWidth")) !== 0);
    await page.getByRole("columnheader", { name: "height" }).waitFor();
    await page.getByText("2 rows, 1 column").waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await runCode(page, "print(f'kept {kept}')");
    await page.getByRole("log").getByText("kept 42").waitFor();
  });

  test("tells an error with its traceback, and asks what code asks", async () => {
    await using page = await browser.page("run");
    await runCode(page, "name = input('Who? ')\nraise ValueError(name)");
    await page.getByLabel("Who?").fill("Ada");
    await page.keyboard.press("Enter");
    const alert = page.getByRole("alert");
    await alert.getByText("ValueError: Ada").first().waitFor();
    expect(await alert.innerText()).toContain("line 2");
    expect(await seriousFindings(page)).toEqual([]);
  });

  test("prints as it goes, and stops", async () => {
    await using page = await browser.page("run");
    await page.getByLabel("Language").selectOption("command");
    await runCode(page, "echo begun; exec sleep 600");
    await page.getByRole("log").getByText("begun").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText(/SIGINT|cancelled/).waitFor();
    await page.getByRole("button", { name: "Run" }).waitFor();
  });

  test("goes on where it was when the connection comes back, and says what happens", async () => {
    await using page = await browser.page("run");
    await page.getByLabel("Language").selectOption("command");
    await runCode(page, "echo before; until [ -e go ]; do sleep 0.05; done; echo after");
    await page.getByRole("log").getByText("before").waitFor();
    browser.line.cut();
    await page.getByText("Connection lost. Trying again every second").waitFor();
    await writeFile(join(daemon.workspace, "go"), "");
    browser.line.mend();
    await page.getByText("Connected again.").waitFor();
    await page.getByText("exited with code 0").waitFor();
    expect(await page.getByRole("log").innerText()).toBe("before\nafter\n");
  });
});

describe("Terminal", () => {
  test("takes what is typed, fits its window, and is attached to again", async () => {
    await using page = await browser.page("terminal");
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole("button", { name: "Open a terminal" }).click();
    await page.locator(".xterm-helper-textarea").waitFor();
    await until(() => page.evaluate("document.activeElement.className.includes('xterm')"));
    await page.keyboard.type("echo typed-$((6*7)); stty size > size\n");
    const screen = page.locator(".xterm-accessibility-tree");
    await screen.getByText("typed-42", { exact: true }).waitFor();
    const size = () => readFile(join(daemon.workspace, "size"), "utf8").catch(() => "");
    await until(async () => (await size()) !== "");
    const [rows = 0, cols = 0] = (await size()).split(" ").map(Number);
    expect(cols).toBeGreaterThan(100);
    expect(rows).toBeGreaterThan(30);
    await page.setViewportSize({ width: 700, height: 500 });
    await page.keyboard.type("\n");
    await until(async () => {
      await page.keyboard.type("stty size > size\n");
      return Number((await size()).split(" ")[1]) < cols;
    });
    await page.getByRole("button", { name: /^Leave/ }).click();
    await page.getByRole("button", { name: "Attach" }).first().click();
    await screen.getByText("typed-42", { exact: true }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
  });
});

describe("Files", () => {
  test("are edited and saved, but not over what somebody else wrote", async () => {
    const path = join(daemon.workspace, "notes.txt");
    await daemon.post("/files/write", { path, content: "first\r\nsecond\r\n" });
    await using page = await browser.page("files");
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByRole("button", { name: "notes.txt" }).click();
    const editor = page.getByRole("textbox", { name: "Content of notes.txt" });
    await editor.click();
    await page.keyboard.press("Control+Home");
    await page.keyboard.insertText("edited ");
    await page.keyboard.press("Control+S");
    await page.getByText("Saved notes.txt.").waitFor();
    const read = async () => {
      const answer = await daemon.fetch(`/files/read?path=${path}`);
      return ((await answer.json()) as { content: string }).content;
    };
    expect(await read()).toBe("edited first\r\nsecond\r\n");

    await daemon.post("/files/write", { path, content: "from elsewhere" });
    await editor.getByText("from elsewhere").waitFor();
    await page.keyboard.insertText("mine ");
    await daemon.post("/files/write", { path, content: "theirs" });
    await page.getByText("The file has changed on the disk").waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole("button", { name: "Load what is there" }).click();
    await editor.getByText("theirs").waitFor();
    expect(await read()).toBe("theirs");
  });

  test("are uploaded by a drop, seen as they come, and downloaded", async () => {
    await using page = await browser.page("files");
    await page.getByText("live", { exact: true }).waitFor();
    const data = await page.evaluateHandle(`(() => {
      const data = new DataTransfer();
      data.items.add(new File(["x".repeat(1e6)], "dropped.bin"));
      return data;
    })()`);
    await page.locator(".drop-area").dispatchEvent("drop", { dataTransfer: data });
    const listed = async () => {
      const answer = await daemon.fetch("/files/list?path=.");
      const { files } = (await answer.json()) as { files: { name: string; size: number }[] };
      return files.find(({ name }) => name === "dropped.bin")?.size;
    };
    await until(async () => (await listed()) === 1_000_000);
    await page.getByRole("button", { name: "dropped.bin" }).click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download" }).click(),
    ]);
    expect(await Bun.file(await download.path()).text()).toBe("x".repeat(1e6));
    await page.getByRole("button", { name: "Delete dropped.bin" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await until(async () => (await listed()) === undefined);
  });
});

describe.skipIf(Bun.which("Xvnc") === null)("Desktop", () => {
  test("is seen and driven, or only looked at, and photographed", async () => {
    await using page = await browser.page("desktop");
    await page.getByRole("button", { name: "Start the desktop" }).click();
    const screen = page.locator(".desktop-host[data-state=connected]");
    await screen.waitFor();
    const script = "read line; echo $line > typed";
    await daemon.post("/desktop/launch", {
      command: "xterm",
      args: ["-e", "sh", "-c", script],
      working_dir: daemon.workspace,
    });
    const typed = () => readFile(join(daemon.workspace, "typed"), "utf8").catch(() => "");
    await until(async () => {
      await screen.locator("canvas").click();
      await page.keyboard.type("hello\n");
      return (await typed()).endsWith("hello\n");
    });
    const [picture] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Screenshot" }).click(),
    ]);
    const bytes = await Bun.file(await picture.path()).bytes();
    expect(Buffer.from(bytes.subarray(1, 4)).toString()).toBe("PNG");
    await page.getByRole("switch", { name: "Look only" }).check();
    await screen.waitFor();
    expect(await seriousFindings(page)).toEqual([]);
  });
});

describe("Activity", () => {
  test("shows figures and what was done, follows a run and kills it", async () => {
    const { body } = await daemon.post("/commands/background", {
      command: "echo working; sleep 600",
      name: "worker",
    });
    await using page = await browser.page("activity");
    await page.getByRole("img", { name: /^CPU.*used \d+ %/ }).waitFor();
    await page.getByRole("cell", { name: "background" }).first().waitFor();
    await page.getByRole("tab", { name: "Background runs" }).click();
    await page.getByRole("button", { name: /worker/ }).click();
    await page.getByText("working", { exact: true }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole("button", { name: "Kill" }).click();
    await page.getByRole("button", { name: /killed worker/ }).waitFor();
    const { status } = (await (
      await daemon.fetch(`/execute/processes/${String(body["process_id"])}`)
    ).json()) as {
      status: string;
    };
    expect(status).toBe("killed");
  });

  test("kills a process of the machine", async () => {
    const { body } = await daemon.post("/commands/background", { command: "exec sleep 12345" });
    await using page = await browser.page("activity");
    await page.getByRole("tab", { name: "Processes" }).click();
    await page.getByLabel("Filter").fill("sleep 12345");
    const row = page.getByRole("row", { name: /sleep 12345/ });
    await row.getByRole("button", { name: /^Kill/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Kill" }).click();
    await row.waitFor({ state: "detached" });
    const answer = await daemon.fetch(`/execute/processes/${String(body["process_id"])}`);
    expect(((await answer.json()) as { status: string }).status).toBe("killed");
  });
});

describe("The page", () => {
  test("goes by the keyboard, and has a dark theme and a narrow form without serious findings", async () => {
    await using page = await browser.page("run");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 390, height: 700 });
    for (const [index, tab] of ["run", "terminal", "files", "desktop", "activity"].entries()) {
      await page.keyboard.press(`Alt+Digit${index + 1}`);
      await page.waitForURL(`**/console#${tab}`);
      await page.locator(`[data-tab=${tab}] > *`).first().waitFor();
      expect([tab, await seriousFindings(page)]).toEqual([tab, []]);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect([tab, width]).toEqual([tab, 390]);
    }
  });

  test("logs in anew without losing what is open when the session has ended", async () => {
    await using page = await browser.page("run");
    await page.getByRole("textbox", { name: "Code" }).click();
    await page.keyboard.insertText("# a draft\n");
    await browser.context.clearCookies();
    await page.getByRole("link", { name: "Activity" }).click();
    await page.getByRole("heading", { name: "Log in again" }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await logIn(page, daemon.token);
    await page.getByRole("img", { name: /^CPU/ }).waitFor();
    await page.getByRole("link", { name: "Run" }).click();
    await page.getByText("# a draft").waitFor();
  });
});

describe("HTML output", () => {
  test("runs its scripts and reaches neither the API nor the page", async () => {
    await using page = await browser.page("run");
    const html = '<b id="mark">shown</b><script>mark.textContent += " and run"</script>';
    await runCode(page, `from IPython.display import HTML\nHTML(${JSON.stringify(html)})`);
    await page.frameLocator("iframe.html-output").getByText("shown and run").waitFor();
    const frame = await outputFrame(page);
    const tried = await frame.evaluate<Record<string, string>>(`(async () => {
      const attempt = async (work) => { try { return "reached: " + await work(); } catch (error) { return error.name; } };
      const image = (src) => new Promise((resolve, reject) => {
        Object.assign(new Image(), { onload: resolve, onerror: () => reject(new TypeError("refused")), src });
      });
      const socket = (url) => new Promise((resolve, reject) => {
        Object.assign(new WebSocket(url), { onopen: resolve, onerror: () => reject(new TypeError("refused")) });
      });
      return {
        origin: self.origin,
        api: await attempt(() => fetch("${browser.url}/system", { credentials: "include" })),
        blind: await attempt(() => fetch("${browser.url}/ping", { mode: "no-cors" })),
        socket: await attempt(() => socket("${browser.url.replace("http", "ws")}/terminal")),
        image: await attempt(() => image("${browser.url}/ping")),
        page: await attempt(() => parent.document.title),
        cookie: await attempt(() => document.cookie),
        storage: await attempt(() => localStorage.length),
        top: await attempt(() => { top.location = "about:blank"; }),
      };
    })()`);
    const { origin, ...refused } = tried;
    expect(origin).toBe("null");
    expect(Object.entries(refused).filter(([, result]) => result.startsWith("reached"))).toEqual([]);
    expect(page.url()).toContain("/console");
  });
});
