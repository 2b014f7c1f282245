import { useState } from "preact/hooks";
import type { TabProps } from "../app.tsx";
import { Charts } from "./charts.tsx";
import { Kernels } from "./kernels.tsx";
import { Processes } from "./processes.tsx";
import { Runs } from "./runs.tsx";
import { Timeline } from "./timeline.tsx";

const LISTS = [
  { id: "runs", title: "Background runs", Content: Runs },
  { id: "kernels", title: "Contexts", Content: Kernels },
  { id: "processes", title: "Processes", Content: Processes },
  { id: "timeline", title: "Timeline", Content: Timeline },
] as const;

export function ActivityTab({ isActive }: TabProps) {
  const [current, setCurrent] = useState<string>("timeline");
  return (
    <div class="activity">
      <Charts isActive={isActive} />
      <div class="tabs" role="tablist" aria-label="Lists">
        {LISTS.map(({ id, title }) => (
          <span key={id} class="inner-tab" data-current={id === current}>
            <button
              role="tab"
              id={`list-${id}`}
              aria-selected={id === current}
              onClick={() => setCurrent(id)}
            >
              {title}
            </button>
          </span>
        ))}
      </div>
      {LISTS.map(({ id, Content }) => (
        <div key={id} role="tabpanel" aria-labelledby={`list-${id}`} hidden={id !== current}>
          {id === current && <Content isActive={isActive} />}
        </div>
      ))}
    </div>
  );
}
