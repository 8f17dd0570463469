//! Names are shown by the rule that the server takes them by: S34.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { visible } from '../src/lib/name';

const lines = readFileSync(new URL('../../../wire/golden/names.txt', import.meta.url), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'));
const text = (escaped: string): string => escaped.replace(/\\u\{([0-9a-f]+)\}/g, (_, n: string) => String.fromCodePoint(parseInt(n, 16)));

describe('names', () => {
  for (const line of lines) {
    const [, verdict, number, name = ''] = /^(taken|refused) +(?:(U\+[0-9A-F]+) +)?(.*)$/.exec(line) ?? [];
    const raw = text(name);
    if (verdict === 'taken') it(`shows ${name} as it is`, () => expect(visible(raw)).toBe(raw));
    else it(`shows ${name} without ${number}`, () => expect(visible(raw)).not.toContain(String.fromCodePoint(parseInt(String(number).slice(2), 16))));
  }
});
