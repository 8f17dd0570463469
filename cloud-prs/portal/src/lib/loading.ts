//! Parts of the portal that are loaded when they are needed, and what is said
//! when one cannot be: after an update the server has them under other names. Pure.

export const NOT_LOADED = 'A part of the portal could not be loaded: the portal was updated, or the line was down. Reload the page.';

/** What Chromium, Firefox, Safari and the bundler say when a part is not to be had. */
const WORDS = /dynamically imported module|Importing a module script failed|Unable to preload CSS/i;

export const isNotLoaded = (error: unknown): boolean => error instanceof Error && WORDS.test(error.message);
