import { EngineError } from "../error.ts";
import { JupyterClient, newMessageId } from "../jupyter/client.ts";
import { MessageError } from "../jupyter/message.ts";
import { ZmtpError } from "../jupyter/zmtp-frame.ts";
import type { ProcessRun } from "../process/process-run.ts";
import { describeEnd } from "../run.ts";
import { hearKernel, Kernel } from "./kernel.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { KernelRequest } from "./kernel-request.ts";
import {
  discardLaunched,
  launchKernel,
  type KernelPlace,
  type LaunchContext,
  type Launched,
} from "./launch.ts";

export interface StartContext extends LaunchContext {
  /** From the start of the process until it answers, in milliseconds. */
  readonly startTimeoutMs: number;
  /** Bytes of one message that are held. */
  readonly messageBytes: number;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** A subscription may take effect only after the first question has been answered. */
const GREET_AGAIN_AFTER_MS = 100;
const ATTEMPTS = 3;
const LAST_WORDS_BYTES = 2000;

/** One that is started by itself may do better than one that was forked. */
class ForkFailed extends Error {}

/** Somebody else took a port in the moment in which nobody held it; with others it goes well. */
class PortTaken extends Error {}

/**
 * Starts a kernel and waits until it answers.
 * @throws EngineError `unavailable` with what the kernel said when it does not come up; as `launchKernel`.
 */
export async function startKernel(
  kind: KernelKind,
  place: KernelPlace,
  context: StartContext,
  signal: AbortSignal,
): Promise<Kernel> {
  let { forks } = context;
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryStart(kind, place, { ...context, forks }, signal);
    } catch (error) {
      if (error instanceof ForkFailed) {
        context.onNotice("cannot fork a kernel; one is started", { cause: String(error.cause) });
        forks?.release();
        forks = undefined;
        continue;
      }
      if (!(error instanceof PortTaken)) throw error;
      if (attempt === ATTEMPTS) throw error.cause;
    }
  }
}

async function tryStart(
  kind: KernelKind,
  place: KernelPlace,
  context: StartContext,
  signal: AbortSignal,
): Promise<Kernel> {
  return awaitKernel(kind, await launchKernel(kind, place, context), context, signal);
}

/**
 * Waits until a kernel that has been launched answers.
 * @throws EngineError `unavailable` when it does not; it has been ended then.
 */
export async function awaitKernel(
  kind: KernelKind,
  launched: Launched,
  context: StartContext,
  signal: AbortSignal,
): Promise<Kernel> {
  const { promise: ended, reject: giveUp } = Promise.withResolvers<never>();
  const starting = new AbortController();
  const stop = (reason: Error) => {
    giveUp(reason);
    starting.abort(reason);
  };
  const { startTimeoutMs } = context;
  const late = () => stop(new Error(`it does not answer after ${startTimeoutMs / 1000} s`));
  const timer = setTimeout(late, startTimeoutMs);
  const cancel = () => stop(new Error("it is no longer wanted"));
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  void launched.process.outcome.then(({ end }) => stop(new Error(describeEnd(end))));
  try {
    return await Promise.race([ended, meet(kind, launched, context, starting.signal)]);
  } catch (cause) {
    const error = await explain(kind, launched, cause);
    throw launched.process.isWarm && !signal.aborted ? new ForkFailed("", { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

/** Connects, and speaks with the kernel until it is heard on every channel. */
async function meet(
  kind: KernelKind,
  launched: Launched,
  { messageBytes, onNotice }: StartContext,
  signal: AbortSignal,
): Promise<Kernel> {
  const requests = new Map<string, KernelRequest>();
  const stranger = Promise.withResolvers<never>();
  // Only the first messages can be those of a stranger; whoever waits for them is told.
  stranger.promise.catch(() => undefined);
  let kernel: Kernel | undefined;
  const client = await JupyterClient.connect(
    launched.connection,
    messageBytes,
    {
      onMessage: (channel, message, parentId) => hearKernel(requests, channel, message, parentId),
      onFault: (channel, cause) => {
        stranger.reject(cause);
        onNotice("a kernel sent what is no message of it; it has been ignored", {
          channel,
          cause: String(cause),
        });
      },
      onClosed: (channel, cause) => kernel?.hungUp(channel, cause),
    },
    signal,
  );
  try {
    await Promise.race([greet(client, requests, signal), stranger.promise]);
    kernel = new Kernel(kind, launched, client, requests);
    if (kind.warmUp !== undefined) await kernel.executeSilently(kind.warmUp);
    return kernel;
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}

/** A subscription takes effect unannounced: the question is asked until both the answer and "idle" are heard. */
async function greet(
  client: JupyterClient,
  requests: Map<string, KernelRequest>,
  signal: AbortSignal,
): Promise<void> {
  const heard = Promise.withResolvers<"heard">();
  const gone = Promise.withResolvers<"gone">();
  signal.addEventListener("abort", () => gone.resolve("gone"), { once: true });
  for (;;) {
    const half = Promise.withResolvers<"half">();
    const onHalf = () => void setTimeout(() => half.resolve("half"), GREET_AGAIN_AFTER_MS);
    const request = new KernelRequest(newMessageId(), () => undefined, onHalf);
    requests.set(request.id, request);
    void request.finished.then(() => heard.resolve("heard"));
    client.send("shell", "kernel_info_request", {}, request.id);
    const what = await Promise.race([heard.promise, half.promise, gone.promise]);
    signal.throwIfAborted();
    if (what === "heard") return;
  }
}

async function explain(kind: KernelKind, launched: Launched, cause: unknown) {
  const { process, connection } = launched;
  await process.cancel("requested");
  const said = await lastWords(process);
  await process.destroy();
  await discardLaunched(launched);
  const isStranger = cause instanceof ZmtpError || cause instanceof MessageError;
  const isTaken = isStranger || /address (is )?already in use|EADDRINUSE/i.test(said);
  const error = cause instanceof EngineError ? cause : startFailure(kind, said, cause);
  return connection.transport === "tcp" && isTaken ? new PortTaken("", { cause: error }) : error;
}

function startFailure(kind: KernelKind, said: string, cause: unknown): EngineError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const words = said === "" ? "" : `; it said: ${said}`;
  return new EngineError("unavailable", `Cannot start a ${kind.title} kernel: ${reason}${words}`, { cause });
}

async function lastWords({ journal }: ProcessRun): Promise<string> {
  const { bytes } = await journal.tail("stderr", LAST_WORDS_BYTES);
  return Buffer.from(bytes).toString().trim();
}
