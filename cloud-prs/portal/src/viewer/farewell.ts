//! How long a page that goes waits for the word that something is over. Used where
//! a session or a terminal is ended; never waits for the host's own time.

const FAREWELL_MS = 1_000;

/** Settled when it is over, or soon after all the same. */
export const soon = (over: Promise<unknown>): Promise<void> => Promise.race([over, new Promise((wake) => setTimeout(wake, FAREWELL_MS))]).then(() => undefined);
