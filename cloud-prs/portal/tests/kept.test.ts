/** A telnet conversation that another page goes on with: shown again, answered once (P12, S31). */
import { describe, expect, it } from 'vitest';
import { decode, encode, Unframer, type FromPage } from '../src/session/terminal';
import { framed } from '../src/session/terminal/bytes';
import { KeptTelnet, type Talking, type Told } from '../src/session/worker/kept';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const u64 = (value: number): number[] => [0, 0, 0, 0, 0, 0, 0, value];
const output = (said: string): Uint8Array => framed(0x85, ascii(said));

/** Shows letters; answers every `?` with `!`; remembers how often it did. */
class Parrot implements Talking {
  answers = 0;
  #out = '';
  host(bytes: Uint8Array): Uint8Array {
    const asked = text(bytes).replace(/[^?]/g, '').length;
    this.answers += asked;
    this.#out += '!'.repeat(asked);
    return this.replayed(bytes);
  }
  replayed(bytes: Uint8Array): Uint8Array { return ascii(text(bytes).replaceAll('?', '')); }
  out(): Uint8Array { const out = this.#out; this.#out = ''; return ascii(out); }
  agreed(): Uint8Array { return Uint8Array.of(this.answers); }
  go_on(agreed: Uint8Array): boolean { this.answers = agreed[0] ?? 0; return agreed.length === 1; }
}

function line(resumed = false): { kept: KeptTelnet; parrot: Parrot; take: (piece: Uint8Array) => string[]; shown: () => string; told: Told[] } {
  const parrot = new Parrot();
  const kept = new KeptTelnet(parrot, resumed);
  const told: Told[] = [];
  let seen = '';
  const take = (piece: Uint8Array): string[] => {
    const out = kept.take(piece, { show: (bytes) => { seen += text(bytes); }, told: (message) => told.push(message) });
    return new Unframer().push(out).map(({ kind, body }) => (kind === 0x02 ? `input ${text(body)}` : `note ${[...body].join()}`));
  };
  return { kept, parrot, take, shown: () => seen, told };
}

const joined = (...pieces: Uint8Array[]): Uint8Array => Uint8Array.from(pieces.flatMap((piece) => [...piece]));
const ready = framed(0x81, joined(new Uint8Array(16).fill(7), Uint8Array.of(0, 0, 0, 0, 0, 0)));
const replayed = (from: number): Uint8Array => framed(0x88, Uint8Array.from([...u64(from), ...u64(0)]));

describe('a kept telnet conversation', () => {
  it('answers the host and notes how far it came, in this order', () => {
    const { take, shown, told } = line();
    expect(take(ready)).toEqual([]);
    expect(told.map((message) => message.type)).toEqual(['ready']);
    expect(take(output('log'))).toEqual([]);
    expect(take(output('?in: ?'))).toEqual(['input !!', `note ${[...u64(9), 2].join()}`]);
    expect(shown()).toBe('login: ');
  });

  it('is shown again to the next page, which answers only what nobody has answered', () => {
    const { kept, take, shown, parrot } = line(true);
    const note = framed(0x8b, Uint8Array.from([...u64(9), 2]));
    take(joined(ready, replayed(0)));
    expect(kept.holds, 'who echoes what is typed is not known').toBe(true);
    take(note);
    expect(kept.holds).toBe(false);
    // In one piece and across the mark.
    expect(take(output('log?in: ?host?'))).toEqual(['input !', `note ${[...u64(14), 3].join()}`]);
    expect(shown()).toBe('login: host');
    expect(parrot.answers).toBe(3);
  });

  it('goes on where its beginning is lost', () => {
    const { take, shown, told } = line(true);
    take(joined(ready, replayed(100), framed(0x8b, Uint8Array.from([...u64(108), 1]))));
    expect(told.at(-1)).toMatchObject({ type: 'replayed', from: 100 });
    // It may begin within a command: nothing is taken before a line's end.
    expect(take(output('xy'))).toEqual([]);
    expect(take(output('z\nab?'))).toEqual([]);
    expect(take(output('c?'))).toEqual(['input !', `note ${[...u64(109), 2].join()}`]);
    expect(shown()).toBe('\nabc');
  });

  it('answers nothing twice after a page of another version, and everything when nobody has', () => {
    const other = line(true);
    other.take(joined(ready, replayed(0), framed(0x8b, Uint8Array.from([...u64(4), 0, 2]))));
    expect(other.kept.holds).toBe(false);
    expect(other.take(output('lo? ?'))).toEqual(['input !', `note ${[...u64(5), 1].join()}`]);
    const fresh = line(true);
    fresh.take(joined(ready, replayed(0), framed(0x8b, new Uint8Array(0))));
    expect(fresh.kept.holds).toBe(false);
    expect(fresh.take(output('lo?'))).toEqual(['input !', `note ${[...u64(3), 1].join()}`]);
  });

  it('cuts what is long, says the last word, and refuses nonsense', () => {
    const { kept, take } = line();
    expect(new Unframer().push(kept.framed(new Uint8Array(65_537))).map(({ body }) => body.length)).toEqual([65_536, 1]);
    expect(kept.farewell).toEqual(encode({ type: 'close' }));
    expect(kept.framed(new Uint8Array(0))).toEqual(new Uint8Array(0));
    expect(() => take(Uint8Array.of(0x81, 0xff, 0xff, 0xff))).toThrow();
    expect(decode(0x8b, Uint8Array.of(5))).toEqual({ type: 'note', note: Uint8Array.of(5) } satisfies FromPage);
  });
});
