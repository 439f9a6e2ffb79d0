import { renderTopologySchema } from "./topology-schema.ts";

await Bun.write("topology.schema.json", renderTopologySchema());
