interface Style {
  colour: number | undefined;
  isBold: boolean;
}

/** Text with colours of a terminal (ECMA-48, SGR: 30 to 37, 90 to 97, 38;5, bold); other sequences are left out. */
export function Ansi({ text }: { readonly text: string }) {
  const style: Style = { colour: undefined, isBold: false };
  // eslint-disable-next-line no-control-regex -- Escape is what these sequences begin with.
  const parts = text.split(/\u001b\[([\d;:?]*)([A-Za-z])/);
  return (
    <>
      {parts.map((part, index) => {
        if (index % 3 === 1) {
          if (parts[index + 1] === "m") heed(part, style);
          return null;
        }
        if (index % 3 === 2 || part === "") return null;
        const shown = overwritten(part);
        if (style.colour === undefined && !style.isBold) return shown;
        const colour = style.colour === undefined ? "" : `ansi-${style.colour}`;
        return <span class={`${colour} ${style.isBold ? "ansi-bold" : ""}`}>{shown}</span>;
      })}
    </>
  );
}

function heed(sequence: string, style: Style): void {
  const codes = sequence === "" ? [0] : sequence.split(/[;:]/).map(Number);
  if (codes[0] === 38 && codes[1] === 5) {
    style.colour = (codes[2] ?? 0) % 16;
    return;
  }
  for (const code of codes) {
    if (code === 0) Object.assign(style, { colour: undefined, isBold: false });
    else if (code === 1) style.isBold = true;
    else if (code === 22) style.isBold = false;
    else if (code === 39) style.colour = undefined;
    else if (code >= 30 && code <= 37) style.colour = code - 30;
    else if (code >= 90 && code <= 97) style.colour = code - 82;
  }
}

/** A carriage return begins its line anew, as bars of progress do. */
function overwritten(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n/g, "\n").replace(/[^\n]*\r(?=[^\n])/g, "") : text;
}
