import { call, json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { ask } from "../dialog.tsx";
import { bytes, clock } from "../format.ts";
import { tellError } from "../notices.tsx";
import { usePoll } from "../poll.ts";

interface Kernel {
  readonly session_id: string;
  readonly language: string;
  readonly execution_state: string;
  readonly queued: number;
  readonly executions: number;
  readonly pid: number | null;
  readonly peak_memory_bytes: number | null;
  readonly last_activity: string;
}

/** Kernels that keep variables, with what they do. */
export function Kernels({ isActive }: TabProps) {
  const kernels = usePoll(isActive, 2000, async (signal) => {
    const { sessions } = await json<{ sessions: Kernel[] }>("jupyter/sessions", { signal });
    return sessions;
  });
  const act = async (id: string, path: string, method = "POST") => {
    await call(`jupyter/sessions/${id}${path}`, { method });
    kernels.reload();
  };
  const end = async (id: string) => {
    const question = { title: "End this context?", text: "Its variables are lost.", button: "End" };
    if ((await ask({ ...question, isDangerous: true })) !== undefined) await act(id, "", "DELETE");
  };
  if (!kernels.data) return <p class="hint">{kernels.error ?? "Reading…"}</p>;
  if (kernels.data.length === 0)
    return <p class="empty">No context yet. The first code that runs in one makes it.</p>;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Contexts">
      <table>
        <thead>
          <tr>
            <th scope="col">Context</th>
            <th scope="col">Language</th>
            <th scope="col">State</th>
            <th scope="col">Runs</th>
            <th scope="col">Peak memory</th>
            <th scope="col">Last used</th>
            <th scope="col">
              <span class="sr">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {kernels.data.map((kernel) => (
            <tr key={kernel.session_id}>
              <th scope="row">{kernel.session_id.slice(0, 18)}</th>
              <td>{kernel.language}</td>
              <td>
                <span class="state" data-state={kernel.execution_state}>
                  {kernel.execution_state}
                  {kernel.queued > 0 ? `, ${kernel.queued} wait` : ""}
                </span>
              </td>
              <td class="number">{kernel.executions}</td>
              <td class="number">
                {kernel.peak_memory_bytes === null ? "–" : bytes(kernel.peak_memory_bytes)}
              </td>
              <td>{clock(kernel.last_activity)}</td>
              <td class="actions">
                {kernel.execution_state === "busy" && (
                  <button onClick={() => void act(kernel.session_id, "/interrupt").catch(tellError)}>
                    Interrupt
                  </button>
                )}
                <button class="danger" onClick={() => void end(kernel.session_id).catch(tellError)}>
                  End
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
