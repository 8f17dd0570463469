/** The terminal coder against the golden bytes of wire::terminal, and a terminal that is resumed (S19). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  decode,
  encode,
  TerminalFormatError,
  TerminalStream,
  Unframer,
  type ByteStream,
  type FromPage,
  type ToPage,
} from './terminal';

const golden = JSON.parse(
  readFileSync(new URL('./terminal.golden.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const size = { columns: 120, rows: 40 };
const token = new Uint8Array(16).fill(7);

const sent: Record<string, FromPage> = {
  start: { type: 'start', ...size, term: 'xterm-256color', account: 'root' },
  'start sealed': { type: 'start', ...size, term: 'xterm', sealed: Uint8Array.of(1, 2, 3, 255) },
  'start resume': { type: 'start', ...size, term: 'xterm', resume: { token, seen: 0x100000002 } },
  input: { type: 'input', bytes: ascii('ls -l\r') },
  resize: { type: 'resize', ...size },
  answer: { type: 'answer', prompt: 3, answers: ['grüße', ''] },
  'host key': { type: 'hostKey', verdict: 'remember', fingerprint: 'SHA256:abc' },
  'private key': {
    type: 'privateKey',
    prompt: 9,
    key: '-----BEGIN OPENSSH PRIVATE KEY-----\n',
    passphrase: 'open',
  },
  close: { type: 'close' },
  legacy: { type: 'legacy', verdict: 'once' },
  note: { type: 'note', note: Uint8Array.of(1, 255) },
};

const received: Record<string, ToPage> = {
  ready: { type: 'ready', token, account: 'root', algorithm: 'ssh-ed25519', fingerprint: 'SHA256:abc' },
  'host key new': {
    type: 'hostKeyQuestion',
    state: 'new',
    algorithm: 'ssh-ed25519',
    fingerprint: 'SHA256:abc',
  },
  'host key changed': {
    type: 'hostKeyQuestion',
    state: 'changed',
    algorithm: 'rsa-sha2-512',
    fingerprint: 'SHA256:abc',
    oldFingerprint: 'SHA256:old',
    since: new Date(1_795_219_200_000),
  },
  prompt: {
    type: 'prompt',
    id: 3,
    kind: 'interactive',
    name: 'PAM',
    instruction: 'Two\nlines',
    questions: [
      { text: 'Password: ', echo: false },
      { text: 'Code: ', echo: true },
    ],
  },
  banner: { type: 'banner', text: 'Authorised use only\n' },
  output: { type: 'output', bytes: ascii('\x1b[1m$ ') },
  'exit status': { type: 'exit', exit: { kind: 'status', status: 127 } },
  'exit signal': { type: 'exit', exit: { kind: 'signal', name: 'KILL', text: 'out of memory' } },
  'exit lost': { type: 'exit', exit: { kind: 'lost', reason: 212, text: '' } },
  refused: { type: 'refused', reason: 208, text: 'only for ssh' },
  replayed: { type: 'replayed', from: 0x100000002, input: 42 },
  'legacy question': { type: 'legacy', text: 'diffie-hellman-group14-sha1' },
  notice: { type: 'notice', text: 'one line' },
  noted: { type: 'note', note: Uint8Array.of(1, 255) },
};

describe('the coder', () => {
  it('knows every golden message', () => {
    expect([...Object.keys(sent), ...Object.keys(received)]).toEqual(Object.keys(golden));
  });

  it.each(Object.keys(sent))('writes %s', (name) => {
    expect(hex(encode(sent[name] as FromPage))).toBe(golden[name]);
  });

  it.each(Object.keys(received))('reads %s', (name) => {
    const messages = new Unframer().push(unhex(golden[name] as string));
    expect(messages).toHaveLength(1);
    const [{ kind, body }] = messages as [{ kind: number; body: Uint8Array }];
    expect(decode(kind, body)).toEqual(received[name]);
  });

  it('refuses every shortened message and never hangs', () => {
    for (const name of Object.keys(received)) {
      const whole = unhex(golden[name] as string);
      for (let cut = 4; cut < whole.length; cut += 1) {
        if (name === 'output' || name === 'noted') continue;
        const act = (): ToPage | null => decode(whole[0] as number, whole.subarray(4, cut));
        expect(act, `${name} cut at ${cut}`).toThrow(TerminalFormatError);
      }
    }
  });

  it('skips what newer gateways may add, and refuses the rest', () => {
    expect(decode(0xc1, ascii('x'))).toBeNull();
    expect(() => decode(0x8c, ascii('x'))).toThrow(TerminalFormatError);
    expect(() => new Unframer().push(Uint8Array.of(0x85, 1, 0, 1))).toThrow(TerminalFormatError);
  });

  it('cuts a stream however it comes', () => {
    const whole = unhex(Object.keys(received).map((name) => golden[name]).join(''));
    const unframer = new Unframer();
    const got: unknown[] = [];
    for (const byte of whole) {
      for (const { kind, body } of unframer.push(Uint8Array.of(byte))) got.push(decode(kind, body));
    }
    expect(got).toEqual(Object.values(received));
  });
});

/** A stream whose other end is the test. */
class Pipe implements ByteStream {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
  wrote: string[] = [];
  resetWith: number | null = null;
  private feed!: ReadableStreamDefaultController<Uint8Array>;

  constructor() {
    this.readable = new ReadableStream({ start: (feed) => void (this.feed = feed) });
    this.writable = new WritableStream({ write: (chunk) => void this.wrote.push(hex(chunk)) });
  }
  reset(code: number): void {
    this.resetWith = code;
  }
  say(name: string): void {
    this.feed.enqueue(unhex(golden[name] as string));
  }
  sayHex(text: string): void {
    this.feed.enqueue(unhex(text));
  }
  breakOff(): void {
    this.feed.error(new Error('gone'));
  }
}

const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 0));
const inputOf = (text: string): string => hex(encode({ type: 'input', bytes: ascii(text) }));
const replayed = (from: number, input: number): string =>
  '88000010' + from.toString(16).padStart(16, '0') + input.toString(16).padStart(16, '0');

describe('a terminal', () => {
  it('goes on after a loss without losing or doubling a byte', async () => {
    const seen: string[] = [];
    let broken = 0;
    let lost = -1;
    const first = new Pipe();
    const terminal = TerminalStream.start(first, { ...size, term: 'xterm' }, {
      output: (bytes) => seen.push(hex(bytes)),
      broken: () => (broken += 1),
      resumed: (bytes) => (lost = bytes),
    });
    first.say('ready');
    first.say('output');
    await settle();
    terminal.input(ascii('abc'));
    terminal.input(ascii('def'));
    await settle();
    expect(first.wrote.slice(1)).toEqual([inputOf('abc'), inputOf('def')]);

    first.breakOff();
    await settle();
    terminal.input(ascii('g'));
    const second = new Pipe();
    terminal.resume(second);
    second.say('ready');
    second.sayHex(replayed(6, 4));
    await settle();

    expect(broken).toBe(1);
    expect(lost).toBe(0);
    expect(second.wrote[0]).toContain('07'.repeat(16) + '0000000000000006');
    expect(second.wrote.slice(1)).toEqual([inputOf('ef'), inputOf('g')]);
    expect(seen).toHaveLength(1);
  });

  it('keeps nothing that is typed between questions, before its shell is there', async () => {
    const pipe = new Pipe();
    const terminal = TerminalStream.start(pipe, { ...size, term: 'xterm' }, {});
    pipe.say('prompt');
    await settle();
    terminal.input(ascii('a password, typed blind\r'));
    pipe.say('ready');
    await settle();
    terminal.input(ascii('ls\r'));
    await settle();

    expect(pipe.wrote.slice(1)).toEqual([inputOf('ls\r')]);
  });

  it('tells the size that its window got while it was asked, once', async () => {
    const pipe = new Pipe();
    const terminal = TerminalStream.start(pipe, { ...size, term: 'xterm' }, {});
    const other = { columns: 81, rows: 25 };
    terminal.resize(other);
    await settle();
    expect(pipe.wrote).toHaveLength(1);
    pipe.say('ready');
    await settle();
    terminal.resize(other);
    await settle();

    expect(pipe.wrote.slice(1)).toEqual([hex(encode({ type: 'resize', ...other }))]);
  });

  it('says how much of the output was lost', async () => {
    let lost = -1;
    const pipe = new Pipe();
    TerminalStream.reopen(pipe, { ...size, term: 'xterm' }, token, { resumed: (bytes) => (lost = bytes) });
    pipe.say('ready');
    pipe.sayHex(replayed(1000, 55));
    await settle();

    expect(lost).toBe(1000);
    expect(pipe.wrote).toHaveLength(1);
  });

  it('is over after an exit and sends no more', async () => {
    const ends: unknown[] = [];
    const pipe = new Pipe();
    const terminal = TerminalStream.start(pipe, { ...size, term: 'xterm' }, { over: (end) => ends.push(end) });
    pipe.say('ready');
    pipe.say('exit status');
    await settle();
    terminal.input(ascii('x'));
    await settle();

    expect(ends).toEqual([{ exit: { kind: 'status', status: 127 } }]);
    expect(pipe.wrote).toHaveLength(1);
  });

  it('breaks the stream when the gateway sends nonsense', async () => {
    let broken: Error | null = null;
    const pipe = new Pipe();
    TerminalStream.start(pipe, { ...size, term: 'xterm' }, { broken: (error) => (broken = error) });
    pipe.sayHex('8c000000');
    await settle();

    expect(pipe.resetWith).toBe(504);
    expect(broken).toBeInstanceOf(TerminalFormatError);
  });
});
