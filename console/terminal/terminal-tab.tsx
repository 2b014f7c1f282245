import { useEffect, useRef, useState } from "preact/hooks";
import { call, json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { ask } from "../dialog.tsx";
import { seconds } from "../format.ts";
import { Icon } from "../icons.tsx";
import { tellError } from "../notices.tsx";
import { usePoll } from "../poll.ts";
import { scheme } from "../theme.ts";
import { Screen } from "./screen.ts";

export interface Session {
  readonly session_id: string;
  readonly name: string | null;
  readonly running: boolean;
  readonly command: readonly string[];
  readonly held: boolean;
  readonly viewers: number;
  readonly idle_seconds: number;
  readonly exit_code: number | null;
}

interface Open {
  readonly id: string;
  readonly title: string;
  readonly isViewer: boolean;
}

const OPEN = "sanderling-console-terminals";

/** Of this window, so that a reload finds its terminals again. */
function readOpen(): Open[] {
  try {
    return JSON.parse(sessionStorage.getItem(OPEN) ?? "[]") as Open[];
  } catch {
    return [];
  }
}

function titleOf({ session_id: id, name }: Session): string {
  return name ?? id.slice(0, 8);
}

export function TerminalTab({ isActive }: TabProps) {
  const [open, setOpen] = useState(readOpen);
  const [current, setCurrent] = useState(open[0]?.id);
  const sessions = usePoll(isActive, 3000, async (signal) => {
    const { sessions: all } = await json<{ sessions: Session[] }>("terminal/sessions", { signal });
    return all;
  });
  useEffect(() => sessionStorage.setItem(OPEN, JSON.stringify(open)), [open]);
  useEffect(() => {
    const known = sessions.data;
    if (known) setOpen((before) => before.filter(({ id }) => known.some((one) => one.session_id === id)));
  }, [sessions.data]);
  const show = (added: Open) => {
    setOpen((before) => [...before.filter(({ id }) => id !== added.id), added]);
    setCurrent(added.id);
  };
  const make = async () => {
    const taken = new Set(sessions.data?.map(({ name }) => name));
    const number = Array.from({ length: 1000 }, (_, n) => n + 1).find((n) => !taken.has(`console-${n}`)) ?? 0;
    const made = await json<Session>("terminal/sessions", {
      method: "POST",
      body: { name: `console-${number}` },
    });
    show({ id: made.session_id, title: titleOf(made), isViewer: false });
    sessions.reload();
  };
  const leave = (gone: string) => {
    const left = open.filter(({ id }) => id !== gone);
    setOpen(left);
    if (current === gone) setCurrent(left.at(-1)?.id);
  };
  const others = (sessions.data ?? []).filter((one) => !open.some(({ id }) => id === one.session_id));
  return (
    <>
      <div class="bar">
        <div class="tabs" role="group" aria-label="Terminals">
          {open.map(({ id, title, isViewer }) => (
            <span key={id} class="inner-tab" data-current={id === current}>
              <button aria-pressed={id === current} onClick={() => setCurrent(id)}>
                {isViewer && <Icon name="eye" />} {title}
              </button>
              <button class="quiet" onClick={() => leave(id)} title="Leave it; the session goes on">
                <Icon name="close" />
                <span class="sr">Leave {title}</span>
              </button>
            </span>
          ))}
        </div>
        <button class="quiet" onClick={() => void make().catch(tellError)} title="New terminal">
          <Icon name="plus" /> <span>New terminal</span>
        </button>
      </div>
      {sessions.error !== undefined && open.length === 0 && <p class="error">{sessions.error}</p>}
      <div class="terminals">
        {open.map((one) => (
          <TerminalView
            key={`${one.id}${one.isViewer}`}
            open={one}
            isShown={isActive && one.id === current}
          />
        ))}
        {open.length === 0 && (
          <div class="empty">
            <p>No terminal is open here.</p>
            <button class="primary" onClick={() => void make().catch(tellError)}>
              <Icon name="terminal" /> Open a terminal
            </button>
          </div>
        )}
      </div>
      {others.length > 0 && <Others sessions={others} onOpen={show} onEnd={() => sessions.reload()} />}
    </>
  );
}

interface OthersProps {
  readonly sessions: readonly Session[];
  readonly onOpen: (open: Open) => void;
  readonly onEnd: () => void;
}

function Others({ sessions, onOpen, onEnd }: OthersProps) {
  const end = async (session: Session) => {
    const title = titleOf(session);
    const text = `What runs in ${title} is ended with it.`;
    const sure = await ask({ title: `End ${title}?`, text, button: "End", isDangerous: true });
    if (sure === undefined) return;
    await call(`terminal/sessions/${session.session_id}`, { method: "DELETE" });
    onEnd();
  };
  return (
    <div class="others">
      <h2>Other sessions of this sandbox</h2>
      <ul class="rows">
        {sessions.map((session) => {
          const { session_id: id, running, held, idle_seconds: idle, exit_code: code } = session;
          const open = (isViewer: boolean) => onOpen({ id, title: titleOf(session), isViewer });
          return (
            <li key={id}>
              <strong>{titleOf(session)}</strong>
              <span class="hint">
                {running ? (held ? "in use elsewhere" : "running") : `ended (${code ?? "?"})`}, idle{" "}
                {seconds(idle)}
              </span>
              <span class="grow" />
              <button onClick={() => open(false)}>{held ? "Take over" : "Attach"}</button>
              <button onClick={() => open(true)}>Look on</button>
              <button class="danger" onClick={() => void end(session).catch(tellError)}>
                End
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function TerminalView({ open, isShown }: { readonly open: Open; readonly isShown: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const [screen, setScreen] = useState<Screen>();
  useEffect(() => {
    if (!host.current) return undefined;
    const made = new Screen(open.id, host.current, open.isViewer);
    setScreen(made);
    return () => made.close();
  }, []);
  useEffect(() => screen?.recolour(), [screen, scheme.value]);
  useEffect(() => {
    if (isShown) requestAnimationFrame(() => screen?.focus());
  }, [screen, isShown]);
  const state = screen?.state.value;
  return (
    <div class="terminal-view" hidden={!isShown}>
      <div class="terminal-host" ref={host} />
      {state?.kind === "lost" && (
        <p class="overlay">Connection lost; the session goes on. Connecting again…</p>
      )}
      {state?.kind === "taken" && (
        <p class="overlay">
          Taken over by another connection. <button onClick={() => screen?.retake()}>Take it back</button>
        </p>
      )}
      {state?.kind === "ended" && (
        <p class="overlay">
          {state.text} <button onClick={() => screen?.restart()}>Start it again</button>
        </p>
      )}
    </div>
  );
}
