import { MemoryStore } from "../../src/collector/memory-store.ts";
import { describeTraceStore } from "./store-contract.ts";

describeTraceStore("MemoryStore", (maxSpans) => new MemoryStore({ maxSpans }));
