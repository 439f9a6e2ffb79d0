import { Component, type ComponentChildren } from "preact";

/** A component that is drawn anew only when one of its properties is another: rows of a list that scrolls stay as they are. */
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
