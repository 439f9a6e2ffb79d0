import { render } from "preact";
import { nextTheme, watchTheme } from "./shell/theme.ts";
import { PropagationTable } from "./verify/propagation-table.tsx";
import { readResult } from "./verify/result-file.ts";
import { VerifyResultView } from "./verify/verify-result.tsx";

// The page of `verify --report`: the verify view and the result in one file that sends no requests.
const found = readResult(document.querySelector("#result")?.textContent ?? "");
const root = document.querySelector("#page");
watchTheme();
if (root !== null && found !== null) {
  root.replaceChildren();
  render(
    <main class="report">
      {found.kind === "result" ? (
        <VerifyResultView result={found.value} hrefOf={({ page }) => page} />
      ) : (
        <PropagationTable result={found.value} />
      )}
      <p>
        <button type="button" class="quiet" onClick={nextTheme}>
          Light or dark
        </button>
      </p>
    </main>,
    root,
  );
}
