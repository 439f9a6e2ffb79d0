import { renderCliReference, renderErrorReference } from "./cli-reference.ts";

await Bun.write("docs/cli.md", renderCliReference());
await Bun.write("docs/errors.md", renderErrorReference());
