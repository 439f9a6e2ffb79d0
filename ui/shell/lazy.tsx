import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Notice } from "./notice.tsx";

interface LazyOptions {
  /** Name of the loaded part, used as the subject of a sentence. */
  readonly title: string;
  /** Shown until the code has arrived. @default a line of text */
  readonly whileLoading?: ComponentChildren;
}

/**
 * A component whose code is loaded when it is first rendered. `load` is an `import()`, so that the bundler
 * puts the component into its own file. After a failure, the page must be reloaded: some browsers remember
 * that a module failed.
 */
export function lazy<P extends object>(
  load: () => Promise<FunctionComponent<P>>,
  { title, whileLoading = <p class="loading">Loading …</p> }: LazyOptions,
): FunctionComponent<P> {
  let loaded: FunctionComponent<P> | undefined;
  return function Lazy(props: P) {
    const [state, setState] = useState<"loading" | "loaded" | "failed">(loaded ? "loaded" : "loading");
    useEffect(() => {
      if (loaded !== undefined) return;
      load().then(
        (component) => {
          loaded = component;
          setState("loaded");
        },
        () => setState("failed"),
      );
    }, []);
    if (loaded !== undefined) {
      const Loaded = loaded;
      return <Loaded {...props} />;
    }
    return state === "failed" ? <LoadFailure title={title} /> : whileLoading;
  };
}

function LoadFailure({ title }: { readonly title: string }) {
  return (
    <Notice title={`${title} cannot be loaded`}>
      <p>The server does not answer, or it was updated. Is chain-link still running?</p>
      <p>
        <button type="button" onClick={() => location.reload()}>
          Reload the page
        </button>
      </p>
    </Notice>
  );
}
