import { renderCliReference, renderErrorReference } from "./cli-reference.ts";

await Bun.write("docs/cli.md", await renderCliReference());
await Bun.write("docs/errors.md", renderErrorReference());
