interface ElementOptions {
  readonly class?: string;
  readonly title?: string;
  /** Attributes beyond the two above. Never event handlers or styles: the page's policy forbids them. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Custom properties and positions, set one by one through the style object, which the policy allows. */
  readonly style?: Readonly<Record<string, string>>;
}

/** An element with children. A string becomes a text node, so no data is ever read as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: ElementOptions | string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const {
    class: className,
    title,
    attributes,
    style,
  } = typeof options === "string" ? { class: options } : options;
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (title) created.title = title;
  for (const [name, value] of Object.entries(attributes ?? {})) created.setAttribute(name, value);
  for (const [name, value] of Object.entries(style ?? {})) created.style.setProperty(name, value);
  created.append(...children);
  return created;
}

/** A box that says what is the case and what to do. */
export function notice(title: string, ...children: (Node | string)[]): HTMLElement {
  return element("div", "notice", element("h2", "", title), ...children);
}
