//! A telnet conversation whose connection the gateway keeps: the host's bytes
//! come in a terminal's messages (docs/wire.md, "Terminals"), and after a reload
//! they come again.
//!
//! What was agreed on with the host is left with the gateway as a note, together
//! with the number of the byte up to which it holds: bytes before it are shown
//! again and answered no more. Driven by `streams.ts`.

import { MAX_BODY, Reader, Unframer, Writer } from '../terminal/bytes';
import { decode, encode } from '../terminal/codec';
import type { ToPage } from '../terminal/messages';

/** What telnet itself does (endpoint/src/web/terminal.rs). */
export interface Talking {
  host(bytes: Uint8Array): Uint8Array;
  replayed(bytes: Uint8Array): Uint8Array;
  out(): Uint8Array;
  agreed(): Uint8Array;
  go_on(agreed: Uint8Array): boolean;
}

const LF = 0x0a;
const ESC = 0x1b;

/** The messages that are no bytes of the host: the page's to read. */
export type Told = Exclude<ToPage, { type: 'output' | 'note' }>;

/** Who looks at it. */
export interface Page {
  show(bytes: Uint8Array): void;
  told(message: Told): void;
}

export class KeptTelnet {
  #unframer = new Unframer();
  #talk: Talking;
  /** The number of the host's next byte. */
  #at = 0;
  /** Bytes up to here were answered by a page before this one. */
  #answered = 0;
  /** What comes again begins somewhere: nothing is shown before a place where no command can be. */
  #cut = false;
  /** It is not known yet what was agreed on with the host. */
  #unknown: boolean;

  constructor(talk: Talking, resumed: boolean) {
    this.#talk = talk;
    this.#unknown = resumed;
  }

  /** What is typed has to wait: who echoes it is not known yet. */
  get holds(): boolean {
    return this.#unknown;
  }

  /** Takes a piece of the stream, gives what the gateway is to get for it; throws when it is none. */
  take(piece: Uint8Array, page: Page): Uint8Array {
    const out: Uint8Array[] = [];
    for (const { kind, body } of this.#unframer.push(piece)) {
      const message = decode(kind, body);
      if (message === null) continue;
      if (message.type === 'output') out.push(...this.#host(message.bytes, page));
      else if (message.type === 'note') out.push(...this.#noted(message.note));
      else {
        if (message.type === 'replayed') {
          this.#at = message.from;
          this.#cut = message.from > 0;
        }
        page.told(message);
      }
    }
    return joined(out);
  }

  /** What telnet has for the host, as the stream carries it. */
  framed(bytes: Uint8Array): Uint8Array {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += MAX_BODY) pieces.push(encode({ type: 'input', bytes: bytes.subarray(at, at + MAX_BODY) }));
    return joined(pieces);
  }

  /** The last word: the host is let go, and nothing is kept. */
  get farewell(): Uint8Array {
    return encode({ type: 'close' });
  }

  #host(bytes: Uint8Array, page: Page): Uint8Array[] {
    const before = bytes.subarray(0, Math.max(0, this.#answered - this.#at));
    const fresh = bytes.subarray(before.length);
    this.#at += bytes.length;
    const whole = this.#whole(before);
    if (whole.length > 0) page.show(this.#talk.replayed(whole));
    if (fresh.length === 0) return [];
    page.show(this.#talk.host(fresh));
    const out = this.#talk.out();
    // In this order: a note never promises an answer that the gateway has not got.
    return out.length > 0 ? [this.framed(out), this.#note()] : [];
  }

  /** From the first line feed or escape on: neither stands in a command of a host's. */
  #whole(replayed: Uint8Array): Uint8Array {
    if (!this.#cut) return replayed;
    const start = replayed.findIndex((byte) => byte === LF || byte === ESC);
    if (start < 0) return replayed.subarray(replayed.length);
    this.#cut = false;
    return replayed.subarray(start);
  }

  #note(): Uint8Array {
    const out = new Writer();
    out.u64(this.#at);
    out.put(this.#talk.agreed());
    return encode({ type: 'note', note: out.bytes() });
  }

  #noted(note: Uint8Array): Uint8Array[] {
    this.#unknown = false;
    // Nobody has answered the host before.
    if (note.length === 0) return [];
    const input = new Reader(note);
    // Of another version, too: what was answered is not answered again.
    this.#answered = input.u64();
    if (!this.#talk.go_on(input.rest())) return [];
    const out = this.#talk.out();
    return out.length > 0 ? [this.framed(out)] : [];
  }
}

function joined(pieces: Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0] as Uint8Array;
  const all = new Uint8Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
