//! What is said when a part of the portal does not come, and when a browser cannot run it (S20).
import { describe, expect, it } from 'vitest';
import { isNotLoaded, NOT_LOADED } from '../src/lib/loading';
import { NO_WASM, NOT_FETCHED, whyNotLoaded } from '../src/session/errors';
import { endOf, NEEDS_RELOAD } from '../src/viewer/opening';

describe('a part of the portal that does not come', () => {
  it('is known by what browsers say', () => {
    for (const words of ['Failed to fetch dynamically imported module: https://x/assets/Stage-1.js', 'error loading dynamically imported module: https://x/a.js', 'Importing a module script failed.', 'Unable to preload CSS for /assets/Stage-1.css']) {
      expect(isNotLoaded(new TypeError(words))).toBe(true);
      expect(endOf(new TypeError(words))).toEqual({ code: 500, slug: NEEDS_RELOAD, sentence: NOT_LOADED });
    }
    expect(isNotLoaded(new Error('the server does not answer'))).toBe(false);
  });
});

describe('an endpoint that does not run', () => {
  it('did not come, or the browser cannot', () => {
    for (const away of [new TypeError('Failed to fetch'), new Error("failed to fetch Wasm: 404 fetching 'x'")]) expect(whyNotLoaded(away)).toBe(NOT_FETCHED);
    expect(whyNotLoaded(new WebAssembly.CompileError('expected magic word'))).toBe(NO_WASM);
    const there = globalThis.WebAssembly;
    try {
      Reflect.deleteProperty(globalThis, 'WebAssembly');
      expect(whyNotLoaded(new ReferenceError('WebAssembly is not defined'))).toBe(NO_WASM);
    } finally { globalThis.WebAssembly = there; }
  });
});
