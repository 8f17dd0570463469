//! The two ways a terminal's bytes travel: SSH (the gateway's worker is the
//! client, terminal.ts codes its messages) and Telnet (the options are parsed in
//! this browser; the gateway keeps the connection). The terminal page sees one
//! face for both.

import { SessionError, type Session, type SessionEnd, type Stream, type TelnetStream } from '../session';
import { opening, TerminalStream, type ByteStream, type Exit, type HostKeyQuestion, type Prompt, type Ready, type Verdict } from '../session/terminal';
import type { Told } from '../session/worker/kept';
import { soon } from './farewell';
import { endOf } from './opening';
import { endBy, REPLACED, TARGET_UNKNOWN, TERMINAL_GONE, TOO_MANY_SESSIONS } from './reasons';

export interface Pipe {
  input(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
  /** Ends it at the host; settled when the host's end knows, or soon after. */
  close(): Promise<void>;
}

/** Waits until the emulator has worked off what it was given. */
export type Drained = () => Promise<void>;

/** What the host says is read no faster than it is shown: nothing piles up here. */
export function paced(stream: ByteStream, drained: Drained): ByteStream {
  const readable = stream.readable.pipeThrough(new TransformStream<Uint8Array, Uint8Array>({
    async transform(chunk, out) { out.enqueue(chunk); await drained(); },
  }));
  return { readable, writable: stream.writable, reset: (code) => stream.reset(code) };
}

export interface TelnetEvents {
  /** Connected; the gateway keeps the connection under this name, or (a box of before) does not. */
  ready: (token: Uint8Array | null) => void;
  output: (bytes: Uint8Array) => void;
  lost: (bytes: number) => void;
  /** The conversation that was to go on is over; a new one begins. */
  gone: () => void;
  over: (end: SessionEnd) => void;
}

export interface TelnetStart { columns: number; rows: number; resume?: Uint8Array }

export async function telnet(session: Session, size: TelnetStart, drained: Drained, on: TelnetEvents): Promise<Pipe> {
  let said: SessionEnd | null = null;
  const told = (message: Told): void => {
    if (message.type === 'ready') on.ready(message.token);
    else if (message.type === 'replayed') { if (message.from > 0) on.lost(message.from); }
    else if (message.type === 'exit') said = exitOf(message.exit);
    else if (message.type === 'refused') said = endBy(message.reason, message.text);
  };
  /** With the window's size of now: a later connection begins with it. */
  let plain = { cols: size.columns, rows: size.rows, terminal: 'xterm-256color' };
  /** A connection that ends with its stream. */
  const unkept = async (): Promise<TelnetStream> => {
    const stream = await session.telnet(0, plain);
    on.ready(null);
    return stream;
  };
  const open = async (resume?: Uint8Array): Promise<TelnetStream> => {
    try {
      return await session.telnet(0, { ...plain, kept: { told, ...(resume ? { resume } : {}) } });
    } catch (error) {
      // A box of before keeps terminals by SSH only.
      if (!(error instanceof SessionError && error.code === TARGET_UNKNOWN)) throw error;
      return unkept();
    }
  };
  let stream = await open(size.resume);
  let writer = stream.writable.getWriter();
  const read = async (): Promise<void> => {
    writer.closed.catch(() => undefined);
    const reader = stream.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        on.output(value);
        await drained();
      }
      await writer.close().catch(() => undefined);
    } catch { /* the stream's end says why */ }
    const end = said ?? (await stream.closed);
    const gone = end.code === TERMINAL_GONE;
    // A box keeps fewer terminals than it carries sessions.
    const full = end.code === TOO_MANY_SESSIONS && said !== null;
    if (!gone && !full) return on.over(end);
    // The one of before is over: this session still has room for a new one.
    if (gone) on.gone();
    said = null;
    try {
      stream = await (full ? unkept() : open());
      writer = stream.writable.getWriter();
      void read();
    } catch (error) { on.over(endOf(error)); }
  };
  void read();
  return {
    input: (bytes) => void writer.write(bytes).catch(() => undefined),
    resize: (columns, rows) => { plain = { ...plain, cols: columns, rows }; stream.resize(columns, rows); },
    close: () => { void writer.close().catch(() => undefined); return soon(stream.closed); },
  };
}

export interface SshEvents {
  ready: (ready: Ready) => void;
  hostKey: (question: HostKeyQuestion, answer: (verdict: Verdict) => void) => void;
  prompt: (prompt: Prompt, answer: (answers: string[]) => void, key: (pem: string, passphrase: string) => void) => void;
  legacy: (text: string, answer: (verdict: Verdict) => void) => void;
  banner: (text: string) => void;
  notice: (text: string) => void;
  output: (bytes: Uint8Array) => void;
  lost: (bytes: number) => void;
  /** The terminal that was to go on is over; a new one begins. */
  gone: () => void;
  over: (end: SessionEnd) => void;
}

export interface SshStart { columns: number; rows: number; account?: string; sealed?: Uint8Array; resume?: Uint8Array }

/** The ordinary end of a shell. */
const HOST_CLOSED: SessionEnd = { code: 0, slug: 'shell_ended', sentence: 'The shell on the host has ended.' };

/** A person took it up in another window, or on another computer. */
export const TAKEN: SessionEnd = { code: REPLACED, slug: 'replaced', sentence: 'This terminal was taken over in another window, and goes on there.' };

export async function ssh(session: Session, start: SshStart, drained: Drained, on: SshEvents): Promise<Pipe> {
  // Its first message goes with the opening: no round trip between them.
  let stream: Stream;
  const open = async (begin?: Uint8Array): Promise<ByteStream> => {
    stream = await session.open('terminal', 0, 'input', begin);
    return paced(stream, drained);
  };
  const broke = (error?: unknown): void => on.over({ code: 500, slug: 'stream_broke', sentence: error instanceof Error ? error.message : 'The terminal’s stream broke. Open it again.' });
  /** With the window's size of now: a terminal that begins anew begins with it. */
  let first = { columns: start.columns, rows: start.rows, term: 'xterm-256color', account: start.account, sealed: start.sealed };
  let retries = 0;
  const events = {
    ready: (ready: Ready) => { retries = 0; on.ready(ready); },
    hostKeyQuestion: (q: HostKeyQuestion) => on.hostKey(q, (verdict) => terminal.hostKey(q, verdict)),
    prompt: (p: Prompt) => on.prompt(p, (answers) => terminal.answer(p, answers), (pem, passphrase) => terminal.privateKey(p, pem, passphrase)),
    legacy: (text: string) => on.legacy(text, (verdict) => terminal.legacy(verdict)),
    banner: on.banner,
    notice: on.notice,
    output: on.output,
    resumed: (lost: number) => { if (Number.isFinite(lost) && lost > 0) on.lost(lost); },
    over: (end: { exit: Exit } | { refused: { reason: number; text: string } }) => {
      if ('exit' in end) on.over(exitOf(end.exit));
      // The one of before is over: this session still has room for a new one.
      else if (end.refused.reason === TERMINAL_GONE) void anew();
      else on.over(endBy(end.refused.reason, end.refused.text));
    },
    // Who was replaced does not fetch it back: two pages would do so for ever.
    broken: (error: Error) => { if (error instanceof SessionError && error.code === REPLACED) on.over(TAKEN); else void again(); },
  };
  const again = async (): Promise<void> => {
    if (session.state === 'closed') return;
    if (terminal.resumeToken === null || ++retries > 3) return broke();
    try { terminal.resume(await open()); } catch (error) { broke(error); }
  };
  const anew = async (): Promise<void> => {
    on.gone();
    const begin = first;
    try {
      terminal = TerminalStream.start(await open(opening(begin)), begin, events, true);
      terminal.resize(first);
    } catch (error) { broke(error); }
  };
  let terminal = start.resume
    ? TerminalStream.reopen(await open(), first, start.resume, events)
    : TerminalStream.start(await open(opening(first)), first, events, true);
  return {
    input: (bytes) => terminal.input(bytes),
    resize: (columns, rows) => { first = { ...first, columns, rows }; terminal.resize(first); },
    close: () => { terminal.close(); return soon(stream.closed); },
  };
}

export function exitOf(exit: Exit): SessionEnd {
  switch (exit.kind) {
    case 'status': return exit.status === 0 ? HOST_CLOSED : { ...HOST_CLOSED, sentence: `The shell on the host has ended with status ${exit.status}.` };
    case 'signal': return { ...HOST_CLOSED, sentence: `The program on the host was ended by signal ${exit.name}${exit.text ? `: ${exit.text}` : ''}.` };
    case 'lost': return endBy(exit.reason, exit.text);
  }
}
