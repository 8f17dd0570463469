//! Which routes the server of this build has, and its rules that a page says
//! beforehand: from its own description, put in by the bundler. A page or button
//! whose route is not there is left out.

declare const __API_PATHS__: readonly string[];
declare const __PASSWORD_MIN__: number;

const paths = new Set(__API_PATHS__);

/** The shortest password that the server takes, in characters. */
export const passwordMin = __PASSWORD_MIN__;

export const offers = (path: string): boolean => paths.has(path);
