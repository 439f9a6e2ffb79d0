/** Exit codes that commands share. */
export const EXIT = { done: 0, failed: 1, usage: 2, couldNotTell: 3, interrupted: 130 } as const;
