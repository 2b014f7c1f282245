export interface Series {
  readonly name: string;
  /** Oldest first; undefined where nothing is known. */
  readonly values: readonly (number | undefined)[];
}

interface ChartProps {
  readonly title: string;
  readonly series: readonly Series[];
  /** Top of the scale; absent: the largest value. */
  readonly most?: number;
  readonly points: number;
  readonly format: (value: number) => string;
}

const WIDTH = 300;
const HEIGHT = 72;

/** Lines over time, the newest at the right. */
export function Chart({ title, series, most, points, format }: ChartProps) {
  const all = series.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const top = most ?? Math.max(1e-9, ...all) * 1.15;
  const said = series.map(({ name, values }) => {
    const last = values.at(-1);
    return { name, text: last === undefined ? "–" : format(last) };
  });
  const words = said.map(({ name, text }) => `${name} ${text}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        {said.map(({ name, text }, index) => (
          <span key={name} class={`line-${index}`}>
            {series.length > 1 ? `${name} ` : ""}
            {text}
          </span>
        ))}
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${words}`}
      >
        {[0.25, 0.5, 0.75].map((share) => (
          <line key={share} class="grid" x1="0" x2={WIDTH} y1={HEIGHT * share} y2={HEIGHT * share} />
        ))}
        {series.map(({ name, values }, index) => (
          <Line key={name} values={values} top={top} points={points} index={index} />
        ))}
      </svg>
      <span class="scale">{format(top)}</span>
    </figure>
  );
}

interface LineProps {
  readonly values: Series["values"];
  readonly top: number;
  readonly points: number;
  readonly index: number;
}

function Line({ values, top, points, index }: LineProps) {
  const first = points - values.length;
  const places = values.flatMap((value, at) => {
    if (value === undefined) return [];
    const x = ((first + at) / Math.max(1, points - 1)) * WIDTH;
    const y = HEIGHT - 1 - (Math.min(value, top) / top) * (HEIGHT - 3);
    return [`${x.toFixed(1)},${y.toFixed(1)}`];
  });
  if (places.length === 0) return null;
  const [start] = places[0]?.split(",") ?? ["0"];
  return (
    <>
      {index === 0 && (
        <polygon class="area" points={`${start},${HEIGHT} ${places.join(" ")} ${WIDTH},${HEIGHT}`} />
      )}
      <polyline class={`line line-${index}`} points={places.join(" ")} />
    </>
  );
}
