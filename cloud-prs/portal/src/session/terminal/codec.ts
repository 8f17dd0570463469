/**
 * Terminal messages from and to bytes. The bytes are held by
 * terminal.golden.json, which the Rust tests of wire::terminal share.
 */

import { Reader, Writer, framed } from './bytes';
import {
  TerminalFormatError,
  type Exit,
  type FromPage,
  type HostKeyQuestion,
  type Prompt,
  type Start,
  type ToPage,
  type Verdict,
} from './messages';

const VERDICTS: Verdict[] = ['refuse', 'once', 'remember', 'never'];
const KEY_STATES: HostKeyQuestion['state'][] = ['new', 'changed', 'revoked'];
const PROMPT_KINDS: Prompt['kind'][] = ['account', 'password', 'interactive', 'key', 'passphrase'];

/** A whole message of the page. */
export function encode(message: FromPage): Uint8Array {
  const out = new Writer();
  switch (message.type) {
    case 'start':
      return encodeStart(message);
    case 'input':
      return framed(0x02, message.bytes);
    case 'resize':
      out.u16(message.columns);
      out.u16(message.rows);
      return out.framed(0x03);
    case 'answer':
      out.u32(message.prompt);
      out.u8(message.answers.length);
      for (const answer of message.answers) out.text(answer);
      return out.framed(0x04);
    case 'hostKey':
      out.u8(VERDICTS.indexOf(message.verdict));
      out.text(message.fingerprint);
      return out.framed(0x05);
    case 'privateKey':
      out.u32(message.prompt);
      out.text(message.key);
      out.text(message.passphrase);
      return out.framed(0x06);
    case 'close':
      return out.framed(0x07);
    case 'legacy':
      out.u8(VERDICTS.indexOf(message.verdict));
      return out.framed(0x08);
    case 'note':
      return framed(0x09, message.note);
  }
}

function encodeStart(start: Start): Uint8Array {
  const out = new Writer();
  out.u16(start.columns);
  out.u16(start.rows);
  out.text(start.term);
  out.u8(start.account === undefined ? 0 : 1);
  if (start.account !== undefined) out.text(start.account);
  out.u8(start.resume === undefined ? 0 : 1);
  if (start.resume !== undefined) {
    out.put(start.resume.token);
    out.u64(start.resume.seen);
  }
  out.u8(start.sealed === undefined ? 0 : 1);
  if (start.sealed !== undefined) out.bytes16(start.sealed);
  return out.framed(0x01);
}

/** A message of the gateway; `null` is one of a newer version to be skipped. */
export function decode(kind: number, body: Uint8Array): ToPage | null {
  const input = new Reader(body);
  const message = decodeKnown(kind, body, input);
  if (message === null) return null;
  if (message.type !== 'output' && message.type !== 'note') input.end();
  return message;
}

function decodeKnown(kind: number, body: Uint8Array, input: Reader): ToPage | null {
  switch (kind) {
    case 0x81:
      return {
        type: 'ready',
        token: input.take(16),
        account: input.text(),
        algorithm: input.text(),
        fingerprint: input.text(),
      };
    case 0x82:
      return { type: 'hostKeyQuestion', ...hostKeyQuestion(input) };
    case 0x83:
      return { type: 'prompt', ...prompt(input) };
    case 0x84:
      return { type: 'banner', text: input.text() };
    case 0x85:
      return { type: 'output', bytes: body };
    case 0x86:
      return { type: 'exit', exit: exit(input) };
    case 0x87:
      return { type: 'refused', reason: input.u16(), text: input.text() };
    case 0x88:
      return { type: 'replayed', from: input.u64(), input: input.u64() };
    case 0x89:
      return { type: 'legacy', text: input.text() };
    case 0x8a:
      return { type: 'notice', text: input.text() };
    case 0x8b:
      return { type: 'note', note: body };
    default:
      if (kind & 0x40) return null;
      throw new TerminalFormatError('the gateway sent a message of a newer version: reload the page');
  }
}

function hostKeyQuestion(input: Reader): HostKeyQuestion {
  const question: HostKeyQuestion = {
    state: input.one(KEY_STATES),
    algorithm: input.text(),
    fingerprint: input.text(),
  };
  const old = input.option(() => input.text());
  if (old !== undefined) question.oldFingerprint = old;
  const since = input.option(() => input.u64());
  if (since !== undefined) question.since = new Date(since);
  return question;
}

function prompt(input: Reader): Prompt {
  const head = {
    id: input.u32(),
    kind: input.one(PROMPT_KINDS),
    name: input.text(),
    instruction: input.text(),
  };
  const questions: Prompt['questions'] = [];
  for (let left = input.u8(); left > 0; left -= 1) {
    questions.push({ text: input.text(), echo: input.one([false, true]) });
  }
  return { ...head, questions };
}

function exit(input: Reader): Exit {
  switch (input.u8()) {
    case 0:
      return { kind: 'status', status: input.u32() };
    case 1:
      return { kind: 'signal', name: input.text(), text: input.text() };
    case 2:
      return { kind: 'lost', reason: input.u16(), text: input.text() };
    default:
      throw new TerminalFormatError('an end of an unknown kind');
  }
}
