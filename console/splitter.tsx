import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";

interface SplitterProps {
  /** Under which its place is kept. */
  readonly name: string;
  readonly first: ComponentChildren;
  readonly second: ComponentChildren;
  readonly start?: number;
}

const STEP = 4;
const clamp = (percent: number) => Math.min(85, Math.max(12, percent));

/** Two parts beside each other (below each other on a narrow screen), with a bar that can be moved. */
export function Splitter({ name, first, second, start = 50 }: SplitterProps) {
  const box = useRef<HTMLDivElement>(null);
  const stored = Number(localStorage.getItem(`sanderling-console-split-${name}`) ?? NaN);
  const [percent, setPercent] = useState(Number.isFinite(stored) ? clamp(stored) : start);
  const move = (to: number) => {
    setPercent(clamp(to));
    localStorage.setItem(`sanderling-console-split-${name}`, String(clamp(to)));
  };
  const onPointerMove = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    if (!box.current || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const area = box.current.getBoundingClientRect();
    const isRow = getComputedStyle(box.current).flexDirection === "row";
    move(
      isRow
        ? ((event.clientX - area.left) / area.width) * 100
        : ((event.clientY - area.top) / area.height) * 100,
    );
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -STEP, ArrowUp: -STEP, ArrowRight: STEP, ArrowDown: STEP }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(percent + by);
  };
  return (
    <div class="splitter" ref={box} style={{ "--first": `${percent}%` }}>
      <div class="split-first">{first}</div>
      <div
        class="split-bar"
        role="separator"
        tabIndex={0}
        aria-label="Size of the parts"
        aria-valuenow={Math.round(percent)}
        aria-valuemin={12}
        aria-valuemax={85}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
        onKeyDown={onKeyDown}
      />
      <div class="split-second">{second}</div>
    </div>
  );
}
