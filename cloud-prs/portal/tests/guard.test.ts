//! T17 of the trust list: escapes from the host send nothing that the user did not type.
// @vitest-environment happy-dom
import { Terminal } from '@xterm/xterm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clean, guard, inspect, needsAsking, type Guarded } from '../src/viewer/guard';
import { ESCAPES } from './escapes';

let terminal: Terminal;
let guarded: Guarded;
let sent: string[];

const show = (data: string): Promise<void> => new Promise((done) => terminal.write(data, done));

beforeEach(() => {
  terminal = new Terminal({ allowProposedApi: true, cols: 80, rows: 24, logLevel: 'off' });
  sent = [];
  guarded = guard(terminal, (data) => sent.push(data));
});
afterEach(() => { guarded.dispose(); terminal.dispose(); });

describe('a host cannot type', () => {
  it.each(ESCAPES)('%s', async (_name, escape) => {
    await show(`before ${escape} after\r\n`);
    await show(escape.repeat(20));
    expect(sent.join('')).toBe('');
  });

  it('not by any escape, split at any byte', async () => {
    for (const [, escape] of ESCAPES) for (let cut = 1; cut < Math.min(escape.length, 40); cut++) {
      await show(escape.slice(0, cut));
      await show(escape.slice(cut));
    }
    expect(sent.join('')).toBe('');
  });

  it('not by seeded noise of escapes', async () => {
    let seed = 7;
    const draw = (n: number): number => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
    const parts = ['\x1b', '[', ']', 'P', '?', '>', '=', '$', '+', ';', '6', '1', '5', '2', '0', 'c', 'n', 'p', 'q', 't', 'u', 'x', '\x07', '\x1b\\', '\x05', '\x9b', '\x9d', '\x90', 'é', 'A'];
    for (let i = 0; i < 400; i++) await show(Array.from({ length: 1 + draw(24) }, () => parts[draw(parts.length)]).join(''));
    expect(sent.join('')).toBe('');
  });
});

describe('of what the emulator knows', () => {
  const range = (first: number, last: number): string[] => Array.from({ length: last - first + 1 }, (_, i) => String.fromCharCode(first + i));
  const between = ['', ...range(0x20, 0x2f)];
  const all = ['', ...range(0x3c, 0x3f)].flatMap((prefix) => between.flatMap((one) => range(0x40, 0x7e).map((final) => ({ prefix, intermediates: one, final }))));
  /** An emulator with a meaning for every sequence there can be, as a newer one might have; those that reach it. */
  const reaching = (kind: 'registerCsiHandler' | 'registerDcsHandler', before: string, after: string): string[] => {
    guarded.dispose();
    const reached = new Set<string>();
    for (const id of all) terminal.parser[kind](id, () => { reached.add(id.prefix + id.intermediates + id.final); return true; });
    guarded = guard(terminal, (data) => sent.push(data));
    const core = (terminal as unknown as { _core: { writeSync(data: string): void } })._core;
    for (const id of all) core.writeSync(`${before}${id.prefix}1${id.intermediates}${id.final}${after}`);
    return [...reached].sort();
  };

  it('these CSI reach it, and no other', () => {
    const plain = [...'@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu', ' @', ' A', ' q', '!p', '"q', "'}", "'~", '?J', '?K', '?h', '?l'];
    expect(reaching('registerCsiHandler', '\x1b[', '')).toEqual(plain.sort());
    expect(sent).toEqual([]);
  });
  it('no DCS does', () => expect(reaching('registerDcsHandler', '\x1bP', '\x1b\\')).toEqual([]));
  it('an emulator that hides what it knows is not used', () => {
    const { _parser } = (terminal as unknown as { _core: { _inputHandler: { _parser: object } } })._core._inputHandler;
    Object.assign(_parser, { _csiHandlers: {} });
    expect(() => guard(terminal, () => {})).toThrow('what it knows');
  });
});

it('the corpus finds an unguarded terminal: the control', async () => {
  const bare = new Terminal({ allowProposedApi: true, logLevel: 'off' });
  let answered = 0;
  bare.onData(() => { answered += 1; });
  for (const [, escape] of ESCAPES) await new Promise<void>((done) => bare.write(escape, done));
  bare.dispose();
  expect(answered).toBeGreaterThan(5);
});

it('what the user types goes out', () => {
  terminal.input('ls\r', true);
  expect(sent.join('')).toBe('ls\r');
});

it('the second barrier holds when the parser hooks are gone', async () => {
  const core = (terminal as unknown as { _core: { coreService: { triggerDataEvent(data: string, user?: boolean): void } } })._core;
  core.coreService.triggerDataEvent('\x1b[0n');
  expect(sent).toEqual([]);
  core.coreService.triggerDataEvent('x', true);
  expect(sent).toEqual(['x']);
});

it('looks may be set, links and titles are text', async () => {
  await show('\x1b]8;;http://evil.example/\x07link\x1b]8;;\x07\x1b]0;title\x07\x1b]11;#102030\x07');
  expect(terminal.buffer.active.getLine(0)?.translateToString(true)).toBe('link');
});

describe('the paste guard', () => {
  it('drops what could hide an escape', () => expect(clean('a\x1b[201~rm -rf /\x07\tb\x9bc')).toBe('a[201~rm -rf /\tbc'));
  it('asks for line ends and long text, not for a word', () => {
    expect(needsAsking(inspect('reboot\n'))).toBe(true);
    expect(needsAsking(inspect('a\r\nb'))).toBe(true);
    expect(needsAsking(inspect('x'.repeat(3000)))).toBe(true);
    expect(needsAsking(inspect('ls -l'))).toBe(false);
  });
  it('counts lines and what was left out', () => {
    expect(inspect('one\ntwo\nthree\n')).toMatchObject({ lines: 3, dropped: 0 });
    expect(inspect('a\x1bb')).toMatchObject({ lines: 0, dropped: 1, text: 'ab' });
  });
});
