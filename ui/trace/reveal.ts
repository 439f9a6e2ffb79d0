/** Scrolls a box as little as shows a line of it, below a head that stays. All in px. */
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
