import type { ComponentChildren } from "preact";

/** A box that explains a situation and what to do about it. */
export function Notice({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="notice">
      <h2>{title}</h2>
      {children}
    </div>
  );
}
