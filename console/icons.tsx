/** Drawn on a field of 16 by 16, with lines. */
const PATHS = {
  play: "M4 2.5v11l9-5.5z",
  stop: "M4 4h8v8H4z",
  terminal: "M2 3h12v10H2zM4.5 6l2 2-2 2M8 10.5h3.5",
  folder: "M1.5 4V13h13V5H8L6.5 3h-5z",
  file: "M4 1.5h5l3 3v10H4zM9 1.5v3h3",
  link: "M6.5 9.5l3-3M7 4.5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5L7.5 13a2.8 2.8 0 0 1-4-4L5 7.5",
  screen: "M1.5 2.5h13v9h-13zM5.5 14h5M8 11.5V14",
  pulse: "M1 8.5h3l2-5.5 3.5 10 2-4.5H15",
  contrast: "M8 1.5a6.5 6.5 0 1 0 0 13zM8 1.5a6.5 6.5 0 0 1 0 13",
  moon: "M13.5 10A6 6 0 0 1 6 2.5a6 6 0 1 0 7.5 7.5z",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  leave: "M6 2.5H2.5v11H6M10.5 5l3 3-3 3M13.5 8H6",
  warning: "M8 2l6.5 11.5h-13zM8 6.5v3.5M8 11.5v.5",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  download: "M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11",
  upload: "M8 10.5V2.5M4.5 6L8 2.5 11.5 6M2.5 13.5h11",
  refresh: "M13 8a5 5 0 1 1-1.5-3.5M13.5 2v3h-3",
  right: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  camera: "M1.5 4.5h3L6 2.5h4l1.5 2h3v9h-13zM8 6.5a2.2 2.2 0 1 0 0 4.5 2.2 2.2 0 0 0 0-4.5z",
  record: "M8 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.5 9.5h7L12 4",
  eye: "M1 8s2.5-4.5 7-4.5S15 8 15 8s-2.5 4.5-7 4.5S1 8 1 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
