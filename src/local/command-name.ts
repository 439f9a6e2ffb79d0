/** The hidden command with which this executable runs a link's process. */
export const LINK_PROCESS_COMMAND = "link-process";
