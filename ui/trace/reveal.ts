/** Scrolls a box just far enough to show a line below a sticky head. All sizes are in pixels. */
export function reveal(
  box: HTMLElement,
  line: { readonly top: number; readonly height: number },
  head = 0,
): void {
  const height = box.clientHeight - head;
  const bottom = line.top + line.height;
  if (line.top < box.scrollTop) box.scrollTop = line.top;
  else if (bottom > box.scrollTop + height) box.scrollTop = bottom - height;
}
