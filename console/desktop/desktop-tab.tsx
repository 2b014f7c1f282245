import RFB from "@novnc/novnc";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, describe, json, openSocket, save } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { reachable } from "../connection.ts";
import { bytes, seconds } from "../format.ts";
import { Icon } from "../icons.tsx";
import { tell, tellError } from "../notices.tsx";
import { usePoll } from "../poll.ts";

interface Vnc {
  readonly running: boolean;
  readonly password?: string;
  readonly view_only_password?: string;
}

interface Recording {
  readonly recording_id: string | null;
  readonly recording: boolean;
  readonly duration: number;
  readonly file_size: number;
  readonly format: string;
}

export function DesktopTab({ isActive }: TabProps) {
  const [isViewOnly, setIsViewOnly] = useState(false);
  const [isStarting, setIsStarting] = useState(false);
  const vnc = usePoll(isActive, 5000, (signal) => json<Vnc>("desktop/vnc/status", { signal }));
  const start = async () => {
    setIsStarting(true);
    await call("desktop/vnc/start", { method: "POST", body: {} }).catch(tellError);
    setIsStarting(false);
    vnc.reload();
  };
  if (vnc.status === 400) return <NotInstalled reason={vnc.error ?? ""} />;
  if (!vnc.data) return <p class="empty">{vnc.error ?? "Looking for the desktop…"}</p>;
  if (!vnc.data.running)
    return (
      <div class="empty">
        <p>The desktop is not running. Starting it takes a second or two.</p>
        <button class="primary" disabled={isStarting} onClick={() => void start()}>
          <Icon name="screen" /> {isStarting ? "Starting…" : "Start the desktop"}
        </button>
      </div>
    );
  return (
    <>
      <div class="bar">
        <label class="switch">
          <input
            type="checkbox"
            role="switch"
            checked={isViewOnly}
            onChange={(event) => setIsViewOnly(event.currentTarget.checked)}
          />
          Look only
        </label>
        <span class="grow" />
        <button onClick={() => void takePicture().catch(tellError)}>
          <Icon name="camera" /> Screenshot
        </button>
        <RecordButton isActive={isActive} />
      </div>
      <Viewer key={String(isViewOnly)} vnc={vnc.data} isViewOnly={isViewOnly} />
    </>
  );
}

function NotInstalled({ reason }: { readonly reason: string }) {
  return (
    <div class="empty">
      <Icon name="screen" />
      <p>This sandbox has no desktop.</p>
      <p class="hint">{reason}</p>
      <p>
        Install it with <code>sanderling setup desktop</code>, then come back to this page.
      </p>
    </div>
  );
}

async function takePicture(): Promise<void> {
  const answer = await call("desktop/screenshot", { headers: { Accept: "image/png" } });
  save(`desktop-${stamp()}.png`, await answer.blob());
}

function stamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
}

function RecordButton({ isActive }: TabProps) {
  const status = usePoll(isActive, 1000, (signal) => json<Recording>("desktop/recording/status", { signal }));
  const start = async () => {
    await call("desktop/recording/start", { method: "POST", body: {} });
    status.reload();
  };
  const stop = async (id: string) => {
    const ended = await json<Recording>("desktop/recording/stop", {
      method: "POST",
      body: { recording_id: id },
    });
    status.reload();
    const film = await call(`desktop/recording/${id}/download`, { headers: { Accept: "video/*" } });
    save(`desktop-${stamp()}.${ended.format}`, await film.blob());
    tell(`Recorded ${seconds(ended.duration)}, ${bytes(ended.file_size)}.`);
  };
  const { recording = false, recording_id: id, duration = 0 } = status.data ?? {};
  if (!recording || typeof id !== "string")
    return (
      <button onClick={() => void start().catch(tellError)}>
        <Icon name="record" /> Record
      </button>
    );
  return (
    <button class="danger" onClick={() => void stop(id).catch(tellError)}>
      <Icon name="stop" /> Stop recording, {seconds(Math.floor(duration))}
    </button>
  );
}

/** Connects again by itself as long as it is there. */
function Viewer({ vnc, isViewOnly }: { readonly vnc: Vnc; readonly isViewOnly: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const [state, setState] = useState("Connecting…");
  useEffect(() => {
    const gone = new AbortController();
    const password = (isViewOnly ? vnc.view_only_password : vnc.password) ?? "";
    void (async () => {
      while (!gone.signal.aborted) {
        setState("Connecting…");
        await show(password).catch((error: unknown) => setState(describe(error)));
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await reachable(gone.signal);
      }
    })();
    async function show(secret: string): Promise<void> {
      const socket = await openSocket("desktop/vnc/websocket", { viewOnly: isViewOnly });
      if (gone.signal.aborted || !host.current) {
        socket.close();
        return;
      }
      const rfb = new RFB(host.current, socket, { credentials: { password: secret }, shared: true });
      rfb.viewOnly = isViewOnly;
      rfb.scaleViewport = true;
      rfb.background = "transparent";
      rfb.addEventListener("connect", () => setState(""));
      gone.signal.addEventListener("abort", () => rfb.disconnect());
      await new Promise((resolve) => rfb.addEventListener("disconnect", resolve));
      setState("Connection lost. Connecting again…");
    }
    return () => gone.abort();
  }, [vnc.password]);
  return (
    <div class="desktop">
      <div
        class="desktop-host"
        ref={host}
        data-state={state === "" ? "connected" : "waiting"}
        role="application"
        aria-label="Desktop of the sandbox"
      />
      {state !== "" && (
        <p class="overlay" role="status">
          {state}
        </p>
      )}
    </div>
  );
}
