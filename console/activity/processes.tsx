import { useState } from "preact/hooks";
import { call, json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { ask } from "../dialog.tsx";
import { bytes, seconds } from "../format.ts";
import { tell, tellError } from "../notices.tsx";
import { usePoll } from "../poll.ts";

interface Process {
  readonly pid: number;
  readonly name: string;
  readonly command: string;
  readonly user: string;
  readonly cpu_percent: number;
  readonly cpu_seconds: number;
  readonly memory_bytes: number;
}

const ORDERS = [
  { id: "cpu", title: "CPU" },
  { id: "memory", title: "Memory" },
  { id: "pid", title: "Process id" },
] as const;
const SHOWN = 1000;

/** All processes of the machine; those that are the sandbox's can be killed. */
export function Processes({ isActive }: TabProps) {
  const [sort, setSort] = useState("cpu");
  const [filter, setFilter] = useState("");
  const list = usePoll(isActive, 2000, (signal) =>
    json<{ processes: Process[]; total: number }>("processes", { signal, query: { sort, limit: SHOWN } }),
  );
  const kill = async ({ pid, name }: Process) => {
    const text = "It is asked to end, and killed when it does not.";
    const sure = await ask({ title: `Kill ${name} (${pid})?`, text, button: "Kill", isDangerous: true });
    if (sure === undefined) return;
    const { message } = (await (
      await call(`processes/${pid}/kill`, { method: "POST", body: {} })
    ).json()) as {
      message: string;
    };
    tell(`${name} (${pid}): ${message}`);
    list.reload();
  };
  if (!list.data) return <p class="hint">{list.error ?? "Reading…"}</p>;
  const { total } = list.data;
  const words = filter.toLowerCase();
  const processes = list.data.processes.filter(({ pid, name, command, user }) =>
    `${pid} ${name} ${command} ${user}`.toLowerCase().includes(words),
  );
  return (
    <>
      <div class="list-bar">
        <label class="choice">
          <span>Filter</span>
          <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
        <label class="choice">
          <span>Sorted by</span>
          <select
            value={sort}
            onChange={(event) => {
              setSort(event.currentTarget.value);
              list.reload();
            }}
          >
            {ORDERS.map(({ id, title }) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <span class="hint">
          {processes.length} of {total}
        </span>
      </div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Processes">
        <table>
          <thead>
            <tr>
              <th scope="col">Process</th>
              <th scope="col">Command</th>
              <th scope="col">User</th>
              <th scope="col">CPU</th>
              <th scope="col">CPU time</th>
              <th scope="col">Memory</th>
              <th scope="col">
                <span class="sr">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {processes.map((process) => (
              <tr key={process.pid}>
                <th scope="row">{process.pid}</th>
                <td class="command" title={process.command}>
                  {process.command === "" ? `[${process.name}]` : process.command}
                </td>
                <td>{process.user}</td>
                <td class="number">{process.cpu_percent.toFixed(1)} %</td>
                <td class="number">{seconds(process.cpu_seconds)}</td>
                <td class="number">{bytes(process.memory_bytes)}</td>
                <td class="actions">
                  <button class="danger" onClick={() => void kill(process).catch(tellError)}>
                    Kill<span class="sr"> {process.pid}</span>
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
