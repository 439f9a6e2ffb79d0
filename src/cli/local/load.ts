import { idleTargetFlags, openTarget } from "../common/load-target.ts";
import { rateOf, wasGiven } from "../common/pace-flags.ts";
import { defineCommand } from "../shell/command.ts";
import { LOAD_FLAGS } from "./load-flags.ts";

export const load = defineCommand({
  examples: [
    {
      line: "chain-link load http://localhost:8000 --rate 200/s --duration 10s",
      says: "send 2,000 requests",
    },
    {
      line: "chain-link load http://localhost:8000 --connections 16 --duration 10s",
      says: "keep 16 requests in flight",
    },
    {
      line: "chain-link load shop.yaml --rate 100..1000/30s --warm-up 5s",
      says: "start a topology on this machine and raise the rate",
    },
    {
      line: "chain-link load http://localhost:8000 --rate 50/s --requests 1000 --ledger run.ledger",
      says: "write the ledger that verify reads",
    },
    {
      line: "chain-link load http://chain-link-service-0 --sleep-time 60",
      says: "send one request a minute until stopped",
    },
  ],
  operands: {
    usage: "[URL|TOPOLOGY]",
    summary: "Target URL, or a topology document (- reads standard input) to start on this machine.",
    min: 0,
    max: 1,
  },
  idleFlags: ({ operands }) => idleTargetFlags(operands),
  flags: LOAD_FLAGS,
  async run({ flags, operands, settings, output }) {
    const [{ LoadRun }, { checkRequest }, { checkResultFile }] = await Promise.all([
      import("./load-run.ts"),
      import("./load-check.ts"),
      import("../../lib/result-file.ts"),
    ]);
    checkRequest(flags);
    if (flags.hdr !== null) checkResultFile(flags.hdr);
    const isClosed =
      flags.connections !== null && !wasGiven(settings, "rate") && !wasGiven(settings, "sleep-time");
    const rate = isClosed ? null : rateOf(flags, settings);
    const target = await openTarget(operands[0], flags, settings, output);
    return new LoadRun({ flags, rate, target, output }).run();
  },
});
