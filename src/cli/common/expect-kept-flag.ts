import { KEPT_GRAMMAR, type KeptExpectation, parseKeptExpectation } from "../../verify/judge/kept-shares.ts";
import { type Flag, Unfit } from "../shell/flags.ts";

/** Several expectations of what a sampling pipeline keeps. */
export function expectKeptFlag(
  common: Pick<Flag<readonly KeptExpectation[]>, "summary" | "env">,
): Flag<readonly KeptExpectation[]> {
  const parse = (texts: readonly string[]) => {
    const expectations: KeptExpectation[] = [];
    for (const text of texts) {
      const expectation = parseKeptExpectation(text);
      if (expectation === null) return new Unfit(KEPT_GRAMMAR);
      expectations.push(expectation);
    }
    return expectations;
  };
  return {
    placeholder: "SHARE",
    ...common,
    fallback: [],
    fallbackText: "",
    isRepeatable: true,
    parse,
  };
}
