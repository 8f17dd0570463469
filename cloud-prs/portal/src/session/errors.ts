//! Why a session or a stream failed, as an error with a sentence for people.

import type { SessionEnd } from './types';

/** A refusal or an end, with its reason. */
export class SessionError extends Error implements SessionEnd {
  readonly code: number;
  readonly slug: string;

  constructor(end: SessionEnd) {
    super(end.sentence);
    this.name = 'SessionError';
    this.code = end.code;
    this.slug = end.slug;
  }

  get sentence(): string {
    return this.message;
  }
}

/** Reason 500 of docs/wire.md, with a sentence of our own. */
export function internal(sentence: string): SessionEnd {
  return { code: 500, slug: 'internal', sentence };
}

/** What is said when the endpoint itself could not be fetched. */
export const NOT_FETCHED: SessionEnd = internal(
  'The part of the portal that carries sessions could not be fetched: the portal was updated, or the line was down. Reload the page and open the session again.',
);

/** Why the endpoint does not run: the browser cannot, or it did not come. */
export function whyNotLoaded(error: unknown): SessionEnd {
  if (typeof WebAssembly !== 'object') return NO_WASM;
  // What came is no program for this browser.
  if (error instanceof WebAssembly.CompileError || error instanceof WebAssembly.LinkError) return NO_WASM;
  return NOT_FETCHED;
}

/** What a browser that cannot run a session is told. */
export const NO_WASM: SessionEnd = internal(
  'This browser cannot run WebAssembly in a worker, so it cannot be an end of a session: use a current Firefox, Chrome, Edge or Safari, or the program culvert.',
);
