/** The command, absent from help, under which this executable is a link's process. */
export const LINK_PROCESS_COMMAND = "link-process";
