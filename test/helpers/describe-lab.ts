// Not in lab.ts or release.ts, because programs outside the test runner import those and cannot import bun:test.
import { afterAll, beforeAll, describe } from "bun:test";
import { hasLab, LAB_NOTE, LAB_START_MS, type Lab, startLab, stopLab } from "./lab.ts";
import { ReleaseBenches } from "./release.ts";

/**
 * Declares tests that need the lab. The lab starts before the hooks of `declare` and stops after them. Without a lab the
 * tests are skipped, and their title says why.
 * @param declare gets a lab that is usable in tests and hooks only, because it runs only then
 */
export function describeLab(title: string, declare: (lab: Lab) => void): void {
  describe.skipIf(!hasLab)(`${title}${LAB_NOTE}`, () => {
    let started: Lab | undefined;
    const lab = (): Lab => {
      if (started === undefined) throw new Error("the lab does not run yet: use it in a test or in a hook");
      return started;
    };
    beforeAll(async () => {
      started = await startLab();
    }, LAB_START_MS);
    declare({
      get kubeconfig() {
        return lab().kubeconfig;
      },
      get kubectlPath() {
        return lab().kubectlPath;
      },
      kubectl: (args, options) => lab().kubectl(args, options),
      query: (...args) => lab().query(...args),
    });
    afterAll(stopLab, LAB_START_MS);
  });
}

/** Declares tests that release into namespaces of the lab, which are removed after the tests and their hooks. */
export function describeReleases(title: string, declare: (benches: ReleaseBenches) => void): void {
  describeLab(title, (lab) => {
    const benches = new ReleaseBenches(lab);
    declare(benches);
    afterAll(() => benches.remove(), LAB_START_MS);
  });
}
