import { useEffect, useState } from "preact/hooks";
import type { LiveResult } from "../../src/contract/live-result.ts";
import { linkTo } from "../shell/address.ts";
import { FileButton } from "../shell/file-button.tsx";
import { Notice } from "../shell/notice.tsx";
import { type Answer, readJson } from "../shell/request.ts";
import { PropagationTable } from "./propagation-table.tsx";
import { fileProblem, openedFile, openFile } from "./result-file.ts";
import { VerifyResultView } from "./verify-result.tsx";

const REFRESH_MS = 1000;

/** The result of the load that runs in this process, or of a file. */
export function VerifyView() {
  const live = useLive();
  const opened = openedFile.value;
  useEffect(() => {
    document.title = "Verify · chain-link";
  }, []);
  return (
    <section class="verify-page">
      <div class="bar-of-tools">
        <span class="status">
          {opened !== null
            ? `From the file ${opened.name}`
            : live?.kind === "ok"
              ? "Live result of the load in this chain"
              : ""}
        </span>
        <span class="gap" />
        {opened !== null && (
          <button type="button" class="quiet" onClick={() => (openedFile.value = null)}>
            Close the file
          </button>
        )}
        <FileButton label="Open a result …" accept=".json,application/json" onFile={openFile} />
      </div>
      {fileProblem.value !== "" && (
        <p class="problem" role="alert">
          {fileProblem.value}
        </p>
      )}
      {opened?.kind === "propagation" ? (
        <PropagationTable result={opened.value} />
      ) : opened?.kind === "result" ? (
        <VerifyResultView result={opened.value} hrefOf={({ page }) => page} />
      ) : (
        <LiveAnswer answer={live} />
      )}
    </section>
  );
}

function LiveAnswer({ answer }: { readonly answer: Answer<LiveResult> | null }) {
  if (answer === null) return <p class="loading">Reading the ledgers …</p>;
  if (answer.kind === "ok") {
    const { result, totals } = answer.value;
    return (
      <VerifyResultView
        result={result}
        waiting={totals.waiting}
        hrefOf={({ traceId }) => linkTo({ trace: traceId })}
      />
    );
  }
  if (answer.status !== 404) {
    return (
      <Notice title="The ledgers cannot be read">
        <p>{answer.text}</p>
      </Notice>
    );
  }
  return (
    <Notice title="No ledger is available here">
      <p>
        Whether every span arrived is proved against the ledgers of the requests, which whoever sends them
        gets. <code>chain-link up</code> shows it here as its load runs. Of anything else, open what this
        prints, or look at its report:
      </p>
      <pre>chain-link verify URL --backend collector={location.origin} -o json --report report.html</pre>
    </Notice>
  );
}

function useLive(): Answer<LiveResult> | null {
  const [answer, setAnswer] = useState<Answer<LiveResult> | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async () => {
      if (!document.hidden && openedFile.peek() === null) {
        const next = await readJson<LiveResult>("api/verify", controller.signal);
        if (controller.signal.aborted) return;
        setAnswer(next);
        if (next.kind === "problem" && next.status === 404) return;
      }
      timer = setTimeout(read, REFRESH_MS);
    };
    void read();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, []);
  return answer;
}
