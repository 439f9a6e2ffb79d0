import { Component, type ComponentChildren } from "preact";

/**
 * A component that is rendered again only when one of its properties changes. Rows of a list keep their
 * elements while it scrolls.
 */
export function memo<P extends object>(draw: (props: P) => ComponentChildren) {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const before = this.props as Readonly<P>;
      return (Object.keys(next) as (keyof P)[]).some((name) => next[name] !== before[name]);
    }

    override render(props: P): ComponentChildren {
      return draw(props);
    }
  };
}
