/** The bytes that terminal messages are made of: numbers, texts, frames. */

import { TerminalFormatError } from './messages';

export const MAX_BODY = 64 * 1024;

/** Puts a message together. */
export class Writer {
  private readonly parts: number[] = [];

  u8(value: number): void {
    this.parts.push(value & 0xff);
  }
  u16(value: number): void {
    this.parts.push((value >>> 8) & 0xff, value & 0xff);
  }
  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }
  u64(value: number): void {
    this.u32(Math.floor(value / 2 ** 32));
    this.u32(value >>> 0);
  }
  put(bytes: Uint8Array): void {
    for (const byte of bytes) this.parts.push(byte);
  }
  bytes16(bytes: Uint8Array): void {
    if (bytes.length > 0xffff) throw new TerminalFormatError('too long for a message');
    this.u16(bytes.length);
    this.put(bytes);
  }
  text(text: string): void {
    this.bytes16(new TextEncoder().encode(text));
  }
  bytes(): Uint8Array {
    return Uint8Array.from(this.parts);
  }
  framed(kind: number): Uint8Array {
    return framed(kind, Uint8Array.from(this.parts));
  }
}

/** Takes a message apart; never trusts a length. */
export class Reader {
  private at = 0;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(private readonly bytes: Uint8Array) {}

  take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.bytes.length) throw new TerminalFormatError('a message ends too early');
    const slice = this.bytes.slice(this.at, end);
    this.at = end;
    return slice;
  }
  u8(): number {
    return this.take(1)[0] as number;
  }
  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }
  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }
  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (!Number.isSafeInteger(value)) throw new TerminalFormatError('a number is too large');
    return value;
  }
  text(): string {
    try {
      return this.utf8.decode(this.take(this.u16()));
    } catch (error) {
      if (error instanceof TerminalFormatError) throw error;
      throw new TerminalFormatError('a text is not UTF-8');
    }
  }
  option<T>(read: () => T): T | undefined {
    switch (this.u8()) {
      case 0:
        return undefined;
      case 1:
        return read();
      default:
        throw new TerminalFormatError('an option is neither there nor not');
    }
  }
  one<T>(known: T[]): T {
    const value = known[this.u8()];
    if (value === undefined) throw new TerminalFormatError('a value is unknown');
    return value;
  }
  /** All that was not taken yet. */
  rest(): Uint8Array {
    return this.take(this.bytes.length - this.at);
  }
  end(): void {
    if (this.at !== this.bytes.length) throw new TerminalFormatError('a message is too long');
  }
}

/** A message with its head: kind and length. */
export function framed(kind: number, body: Uint8Array): Uint8Array {
  if (body.length > MAX_BODY) throw new TerminalFormatError('too long for a message');
  const out = new Uint8Array(4 + body.length);
  out.set([kind, body.length >>> 16, (body.length >>> 8) & 0xff, body.length & 0xff]);
  out.set(body, 4);
  return out;
}

/** Cuts the pieces of a stream into messages. */
export class Unframer {
  private held = new Uint8Array(0);

  push(piece: Uint8Array): { kind: number; body: Uint8Array }[] {
    const all = new Uint8Array(this.held.length + piece.length);
    all.set(this.held);
    all.set(piece, this.held.length);
    const messages: { kind: number; body: Uint8Array }[] = [];
    let at = 0;
    while (all.length - at >= 4) {
      const [kind, a, b, c] = all.subarray(at, at + 4) as unknown as [number, number, number, number];
      const length = a * 0x10000 + b * 0x100 + c;
      if (length > MAX_BODY) throw new TerminalFormatError('a message is too long');
      if (all.length - at - 4 < length) break;
      messages.push({ kind, body: all.slice(at + 4, at + 4 + length) });
      at += 4 + length;
    }
    this.held = all.slice(at);
    return messages;
  }
}
