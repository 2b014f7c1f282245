import { useEffect, useState } from "preact/hooks";
import { call, describe } from "../api.ts";
import { plural } from "../format.ts";
import { HtmlFrame } from "./html-frame.tsx";
import type { Bundle } from "./live-run.ts";

interface Table {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly index: { readonly values: readonly unknown[] };
  readonly rows: readonly (readonly unknown[])[];
  readonly total_rows: number;
}

const TABLE = "application/vnd.sanderling.table+json";
const SAVED = "application/vnd.sanderling.saved-figure+json";
const MOST_ROWS = 200;

/** The richest of the forms that a value came in. */
export function RichOutput({ data }: { readonly data: Bundle }) {
  const text = (type: string) => (typeof data[type] === "string" ? data[type] : undefined);
  const about = text("text/plain") ?? "Picture made by the code";
  const [png, jpeg, svg] = [text("image/png"), text("image/jpeg"), text("image/svg+xml")];
  if (png !== undefined) return <img class="plot" alt={about} src={`data:image/png;base64,${png}`} />;
  if (svg !== undefined)
    return <img class="plot" alt={about} src={`data:image/svg+xml,${encodeURIComponent(svg)}`} />;
  if (jpeg !== undefined) return <img class="plot" alt={about} src={`data:image/jpeg;base64,${jpeg}`} />;
  if (TABLE in data) return <TableOutput table={data[TABLE] as Table} />;
  if (SAVED in data) return <SavedFigure figure={data[SAVED] as { path: string }} />;
  const html = text("text/html");
  if (html !== undefined) return <HtmlFrame html={html} />;
  if ("application/json" in data) return <pre>{JSON.stringify(data["application/json"], null, 2)}</pre>;
  return (
    <pre>{text("text/markdown") ?? text("text/latex") ?? text("text/plain") ?? JSON.stringify(data)}</pre>
  );
}

function TableOutput({ table: { columns, index, rows, total_rows: total } }: { readonly table: Table }) {
  const shown = rows.slice(0, MOST_ROWS);
  return (
    <figure class="table-output">
      <div class="table-scroll" tabIndex={0} role="region" aria-label="Table">
        <table>
          <thead>
            <tr>
              <td />
              {columns.map(({ name, type }) => (
                <th scope="col" title={type} key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, at) => (
              <tr key={at}>
                <th scope="row">{shortText(index.values[at] ?? at)}</th>
                {row.map((cell, column) => (
                  <td key={column} class={typeof cell === "number" ? "number" : undefined}>
                    {cell === null ? <i>null</i> : shortText(cell)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <figcaption>
        {plural(total, "row")}, {plural(columns.length, "column")}
        {total > shown.length ? `; the first ${shown.length} are shown` : ""}
      </figcaption>
    </figure>
  );
}

/** What the code saved as a file instead of showing it. */
function SavedFigure({ figure: { path } }: { readonly figure: { readonly path: string } }) {
  const [url, setUrl] = useState<string>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    let made: string | undefined;
    call("files/download", { query: { path } })
      .then((answer) => answer.blob())
      .then(
        (blob) => setUrl((made = URL.createObjectURL(blob))),
        (reason: unknown) => setError(describe(reason)),
      );
    return () => {
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [path]);
  return (
    <figure>
      {url !== undefined && <img class="plot" alt={`Figure ${path}`} src={url} />}
      <figcaption>{error ?? `Saved as ${path}`}</figcaption>
    </figure>
  );
}

function shortText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
