import { type Expectation, ExpectationError, parseExpectation } from "../../verify/judge/expectation.ts";
import { type Flag, Unfit } from "../shell/flags.ts";

/** Expectations of the spans that the platform records. */
export function expectFlag(
  common: Pick<Flag<readonly Expectation[]>, "summary" | "env">,
): Flag<readonly Expectation[]> {
  const parse = (texts: readonly string[]) => {
    const expectations: Expectation[] = [];
    for (const text of texts) {
      try {
        expectations.push(parseExpectation(text));
      } catch (error) {
        if (!(error instanceof ExpectationError)) throw error;
        const of = texts.length === 1 ? "" : ` of '${text}'`;
        return new Unfit(`${error.expected} at character ${error.at}${of}`);
      }
    }
    return expectations;
  };
  return {
    placeholder: "EXPECTATION",
    ...common,
    fallback: [],
    fallbackText: "",
    isRepeatable: true,
    parse,
  };
}
