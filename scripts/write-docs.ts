import { renderCliReference, renderErrorReference, renderFailureReference } from "./cli-reference.ts";

await Bun.write("docs/cli.md", await renderCliReference());
await Bun.write("docs/errors.md", renderErrorReference());
await Bun.write("docs/failures.md", renderFailureReference());
