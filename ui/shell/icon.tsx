const PATHS = {
  right: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  left: "M10 4L6 8l4 4",
  up: "M4 10l4-4 4 4",
  close: "M4 4l8 8M12 4l-8 8",
  error: "M8 4.5v4M8 11v.5M8 1.8l6.6 12H1.4z",
  check: "M3 8.5l3.2 3.2L13 4.8",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  search: "M7 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM10.4 10.4L14 14",
  stop: "M4.5 4.5h7v7h-7z",
  clock: "M8 14A6 6 0 1 1 8 2a6 6 0 0 1 0 12zM8 5v3l2 1.5",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon beside text or in a labeled button, hidden from screen readers. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
