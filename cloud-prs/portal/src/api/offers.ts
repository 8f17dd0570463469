//! Which routes the server of this build has: from its own description, put in
//! by the bundler. A page or button whose route is not there is left out.

declare const __API_PATHS__: readonly string[];

const paths = new Set(__API_PATHS__);

export const offers = (path: string): boolean => paths.has(path);
