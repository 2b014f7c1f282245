import { AxeBuilder } from "@axe-core/playwright";
import { connect, createServer, type Server, type Socket } from "node:net";
import { chromium, type Browser, type BrowserContext, type Frame, type Page } from "playwright-core";
import type { TestDaemon } from "../support/daemon.ts";

/** Debian's Chromium with the console of a daemon, by way of a line that can be cut. */
export class ConsoleBrowser implements AsyncDisposable {
  /** Every address that a page asked for. */
  readonly addresses: string[] = [];

  private constructor(
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly line: Line,
  ) {
    context.on("request", (request) => this.addresses.push(request.url()));
  }

  static async open(daemon: TestDaemon): Promise<ConsoleBrowser> {
    const executablePath = Bun.which("chromium") ?? "/usr/bin/chromium";
    // Tests run as root in containers, where Chromium has no sandbox of its own.
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    return ConsoleBrowser.#openIn(browser, daemon);
  }

  /** With cookies and storage of its own. */
  another(daemon: TestDaemon): Promise<ConsoleBrowser> {
    return ConsoleBrowser.#openIn(this.browser, daemon);
  }

  static async #openIn(browser: Browser, daemon: TestDaemon): Promise<ConsoleBrowser> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 760 } });
    context.setDefaultTimeout(20_000);
    return new ConsoleBrowser(browser, context, await Line.open(Number(new URL(daemon.url).port)));
  }

  get url(): string {
    return `http://127.0.0.1:${this.line.port}`;
  }

  /** A page at a tab of the console. */
  async page(tab = ""): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(`${this.url}/console#${tab}`);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    if (this.browser.contexts().length === 0) await this.browser.close();
    await this.line[Symbol.asyncDispose]();
  }
}

export async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** What axe finds serious or worse. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // The desktop's picture and what code prints are not the console's own.
  const builder = new AxeBuilder({ page }).exclude(".desktop-host").exclude("iframe").exclude(".xterm");
  const { violations } = await builder.analyze();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

/** Puts code into the editor of the page and runs it. */
export async function runCode(page: Page, code: string): Promise<void> {
  const editor = page.getByRole("textbox", { name: "Code" });
  await editor.click();
  await page.keyboard.press("Control+A");
  // As pasted: typing would be indented and completed.
  await page.keyboard.insertText(code);
  await page.keyboard.press("Control+Enter");
}

/** The frame that HTML output is in, when it is there. */
export async function outputFrame(page: Page): Promise<Frame> {
  const element = await page.locator("iframe.html-output").elementHandle();
  const frame = await element.contentFrame();
  if (!frame) throw new Error("There is no HTML output");
  return frame;
}

/** Between the browser and the daemon. */
export class Line implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(
    readonly server: Server,
    readonly port: number,
  ) {}

  static async open(target: number): Promise<Line> {
    const server = createServer((near) => {
      const far = connect(target, "127.0.0.1");
      line.join(near, far);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const line = new Line(server, typeof address === "object" && address !== null ? address.port : 0);
    return line;
  }

  join(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (this.#isCut) near.destroy();
    near.pipe(far);
    far.pipe(near);
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
