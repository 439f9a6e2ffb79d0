import manifest from "../../package.json";

/** The package's version, `major.minor.patch`. */
export const VERSION: string = manifest.version;
