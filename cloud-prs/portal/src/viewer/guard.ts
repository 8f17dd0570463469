//! Keeps a hostile host from typing. A terminal emulator answers some escape
//! sequences by itself (where is the cursor, what are you, what is your title,
//! what is in the clipboard): a host could make it "type" those answers. Two
//! barriers, each enough alone:
//!
//! 1. Of what the emulator has a meaning for, every CSI and OSC that is not on the
//!    short lists below, and every DCS, is swallowed in the parser. What it has none
//!    for, and every APC, PM and SOS, it passes over by itself.
//! 2. Only data that the emulator marks as the user's own is let out.
//!
//! Held by tests/guard.test.ts with a corpus of escapes.

import type { IDisposable, Terminal } from '@xterm/xterm';

/** OSC numbers that only change how things look: palette, foreground, background, cursor and their resets. */
const LOOKS = [4, 10, 11, 12, 104, 110, 111, 112];
/** Numbers up to which every other OSC is swallowed (titles, links, clipboard, notifications, shell marks). */
const OSC_MOST = 1500;

/**
 * CSI sequences that go on to the emulator, written with prefix and intermediate: they
 * move, erase, scroll, colour and set modes. None of them answers but the mode of
 * focus reports (?1004), which is for the second barrier.
 */
const PLAIN = [...'@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu', '?J', '?K', '?h', '?l', ' @', ' A', ' q', '!p', '"q', "'}", "'~"];

type Handlers = Record<number, unknown>;
/** What only the inside of the emulator knows: its own input from its answers, and which sequences it has a meaning for. */
interface Core {
  coreService?: { onUserInput?: (f: () => void) => IDisposable };
  _inputHandler?: { _parser?: { _csiHandlers?: Handlers; _dcsParser?: { _handlers?: Handlers }; identToString?(id: number): string } };
}

export interface Guarded extends IDisposable {
  /** How many sequences were swallowed. */
  readonly swallowed: number;
}

/** A sequence's prefix, intermediates and final letter. */
function parts(name: string): { prefix: string; intermediates: string; final: string } {
  const [, prefix = '', intermediates = '', final = ''] = /^([<-?]?)([ -/]*)(.)$/.exec(name) ?? [];
  return { prefix, intermediates, final };
}

/** Puts both barriers up; `send` gets what the user typed, pasted or pointed, and nothing else. */
export function guard(terminal: Terminal, send: (data: string) => void): Guarded {
  let swallowed = 0;
  const swallow = (): boolean => { swallowed += 1; return true; };
  const held: IDisposable[] = [];
  const { parser } = terminal;
  for (let id = 0; id <= OSC_MOST; id++) {
    // A look may be set, never asked for.
    if (LOOKS.includes(id)) held.push(parser.registerOscHandler(id, (data) => (data.includes('?') ? swallow() : false)));
    else held.push(parser.registerOscHandler(id, swallow));
  }
  const core = (terminal as unknown as { _core?: Core })._core;
  const inner = core?._inputHandler?._parser;
  const known = (handlers?: Handlers): string[] => {
    const names = Object.keys(handlers ?? {}).map((id) => inner?.identToString?.(Number(id)) ?? '');
    if (names.length === 0) throw new Error('this emulator does not tell what it knows');
    return names;
  };
  for (const name of known(inner?._csiHandlers)) if (!PLAIN.includes(name)) held.push(parser.registerCsiHandler(parts(name), swallow));
  for (const name of known(inner?._dcsParser?._handlers)) held.push(parser.registerDcsHandler(parts(name), swallow));
  // ENQ and DECID have no parameters to hook; the second barrier holds them.
  held.push(parser.registerEscHandler({ final: 'Z' }, swallow));

  // The emulator tells the user's own input apart from its answers, but only inside.
  let own = false;
  const onUserInput = core?.coreService?.onUserInput;
  if (typeof onUserInput !== 'function') throw new Error('this emulator does not tell typed from answered');
  held.push(onUserInput(() => { own = true; }));
  held.push(terminal.onData((data) => {
    const typed = own;
    own = false;
    if (typed) send(data); else swallowed += 1;
  }));
  return { get swallowed() { return swallowed; }, dispose: () => held.forEach((h) => h.dispose()) };
}

/** What may be pasted: text with tabs and line ends; no other control characters, so no escape can hide in it. */
export const clean = (text: string): string => text.replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');

export interface Paste { text: string; lines: number; dropped: number }

/** Looks at a paste before it goes to the host. */
export function inspect(raw: string): Paste {
  const text = clean(raw);
  const body = text.replace(/\n+$/, '');
  const lines = body === '' ? 0 : body.split('\n').length;
  return { text, lines: text.includes('\n') ? Math.max(lines, 1) : 0, dropped: raw.replace(/\r\n?/g, '\n').length - text.length };
}
/** A paste with a line end runs at once on most hosts: ask first. */
export const needsAsking = (p: Paste): boolean => p.text.includes('\n') || p.text.length > 2000;
