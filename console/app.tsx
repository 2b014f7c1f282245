import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { access, describe, logOut, online } from "./api.ts";
import { Dialog } from "./dialog.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { Login } from "./login.tsx";
import { Notices } from "./notices.tsx";
import { choice, nextTheme } from "./theme.ts";

export interface TabProps {
  /** Whether the person sees it: a hidden tab asks for nothing. */
  readonly isActive: boolean;
}

interface Tab {
  readonly id: string;
  readonly title: string;
  readonly icon: IconName;
  load(): Promise<ComponentType<TabProps>>;
}

const TABS: readonly [Tab, ...Tab[]] = [
  { id: "run", title: "Run", icon: "play", load: async () => (await import("./run/run-tab.tsx")).RunTab },
  {
    id: "terminal",
    title: "Terminal",
    icon: "terminal",
    load: async () => (await import("./terminal/terminal-tab.tsx")).TerminalTab,
  },
  {
    id: "files",
    title: "Files",
    icon: "folder",
    load: async () => (await import("./files/files-tab.tsx")).FilesTab,
  },
  {
    id: "desktop",
    title: "Desktop",
    icon: "screen",
    load: async () => (await import("./desktop/desktop-tab.tsx")).DesktopTab,
  },
  {
    id: "activity",
    title: "Activity",
    icon: "pulse",
    load: async () => (await import("./activity/activity-tab.tsx")).ActivityTab,
  },
];

/** The fragment of the address is the tab, so that it can be gone back to and kept. */
const place = signal(readPlace());
addEventListener("hashchange", () => (place.value = readPlace()));

function readPlace(): string {
  return TABS.find(({ id }) => id === location.hash.slice(1))?.id ?? TABS[0].id;
}

export function App() {
  useTabKeys();
  if (access.value === "out") return <Login />;
  return (
    <>
      <div class="app" inert={access.value === "ended"}>
        <Header />
        <ConnectionBanner />
        <main>
          {TABS.map((tab) => (
            <Pane key={tab.id} tab={tab} />
          ))}
        </main>
        <Notices />
        <Dialog />
      </div>
      {access.value === "ended" && <Login again />}
    </>
  );
}

function Header() {
  return (
    <header class="top">
      <span class="brand" aria-hidden="true">
        sanderling
      </span>
      <nav aria-label="Parts of the console">
        {TABS.map(({ id, title, icon }, index) => (
          <a
            key={id}
            href={`#${id}`}
            class="tab"
            aria-current={place.value === id ? "page" : undefined}
            title={`${title} (Alt+${index + 1})`}
          >
            <Icon name={icon} />
            <span>{title}</span>
          </a>
        ))}
      </nav>
      <div class="top-end">
        <button class="quiet" onClick={nextTheme} title={`Colours: ${choice.value}`}>
          <Icon name={choice.value === "system" ? "contrast" : choice.value === "dark" ? "moon" : "sun"} />
          <span class="sr">Colours: {choice.value}. Change</span>
        </button>
        <button class="quiet" onClick={() => void logOut()} title="Log out">
          <Icon name="leave" />
          <span class="sr">Log out</span>
        </button>
      </div>
    </header>
  );
}

/** Alt and a digit, which neither editors nor terminals want. */
function useTabKeys() {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const tab =
        event.altKey && !event.ctrlKey ? TABS[Number(event.code.replace("Digit", "")) - 1] : undefined;
      if (tab === undefined) return;
      event.preventDefault();
      location.hash = tab.id;
    };
    addEventListener("keydown", onKey, true);
    return () => removeEventListener("keydown", onKey, true);
  }, []);
}

function ConnectionBanner() {
  const [isBack, setIsBack] = useState(false);
  const [wasLost, setWasLost] = useState(false);
  const isOnline = online.value;
  useEffect(() => {
    if (!isOnline) setWasLost(true);
    if (!isOnline || !wasLost) return undefined;
    setWasLost(false);
    setIsBack(true);
    const timer = setTimeout(() => setIsBack(false), 3000);
    return () => clearTimeout(timer);
  }, [isOnline]);
  const state = isOnline ? (isBack ? "back" : undefined) : "lost";
  return (
    <div role="status" class="connection" data-state={state}>
      {state === "lost" && (
        <>
          <Icon name="warning" /> Connection lost. Trying again every second; what runs in the sandbox goes
          on.
        </>
      )}
      {state === "back" && "Connected again."}
    </div>
  );
}

/** Made when it is first looked at, and kept from then on. */
function Pane({ tab }: { readonly tab: Tab }) {
  const isActive = place.value === tab.id;
  const [Content, setContent] = useState<ComponentType<TabProps>>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    if (!isActive || Content) return;
    document.title = `${tab.title} · Sanderling`;
    tab.load().then(
      (loaded) => setContent(() => loaded),
      (reason: unknown) => setError(describe(reason)),
    );
  }, [isActive]);
  useEffect(() => {
    if (isActive) document.title = `${tab.title} · Sanderling`;
  }, [isActive]);
  return (
    <section class="pane" hidden={!isActive} aria-label={tab.title} data-tab={tab.id}>
      {Content && <Content isActive={isActive && access.value === "in"} />}
      {error !== undefined && (
        <p class="empty">This part could not be loaded ({error}). Reload the page to try again.</p>
      )}
    </section>
  );
}
