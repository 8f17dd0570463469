/**
 * What page and gateway say to each other in a terminal stream
 * (docs/wire.md, "Terminals").
 */

export interface Size {
  columns: number;
  rows: number;
}

/** `never`: refused for good; only the box itself can lift that. */
export type Verdict = 'refuse' | 'once' | 'remember' | 'never';

export interface Start extends Size {
  /** TERM, such as `xterm-256color`. */
  term: string;
  account?: string | undefined;
  resume?: { token: Uint8Array; seen: number } | undefined;
  /** As the server stores it (SessionAnswer.credentials[].sealed, decoded). */
  sealed?: Uint8Array | undefined;
}

export type FromPage =
  | ({ type: 'start' } & Start)
  | { type: 'input'; bytes: Uint8Array }
  | ({ type: 'resize' } & Size)
  | { type: 'answer'; prompt: number; answers: string[] }
  | { type: 'hostKey'; verdict: Verdict; fingerprint: string }
  | { type: 'privateKey'; prompt: number; key: string; passphrase: string }
  | { type: 'close' }
  | { type: 'legacy'; verdict: Verdict }
  /** What a page that goes on is given; at most 64 bytes, the newest counts. */
  | { type: 'note'; note: Uint8Array };

export interface Ready {
  token: Uint8Array;
  account: string;
  algorithm: string;
  fingerprint: string;
}

export interface HostKeyQuestion {
  /** `revoked` cannot be accepted. */
  state: 'new' | 'changed' | 'revoked';
  algorithm: string;
  fingerprint: string;
  oldFingerprint?: string;
  since?: Date;
}

export interface Prompt {
  id: number;
  kind: 'account' | 'password' | 'interactive' | 'key' | 'passphrase';
  name: string;
  instruction: string;
  questions: { text: string; echo: boolean }[];
}

export type Exit =
  | { kind: 'status'; status: number }
  | { kind: 'signal'; name: string; text: string }
  | { kind: 'lost'; reason: number; text: string };

export type ToPage =
  | ({ type: 'ready' } & Ready)
  | ({ type: 'hostKeyQuestion' } & HostKeyQuestion)
  | ({ type: 'prompt' } & Prompt)
  | { type: 'banner'; text: string }
  | { type: 'output'; bytes: Uint8Array }
  | { type: 'exit'; exit: Exit }
  | { type: 'refused'; reason: number; text: string }
  | { type: 'replayed'; from: number; input: number }
  | { type: 'legacy'; text: string }
  | { type: 'notice'; text: string }
  | { type: 'note'; note: Uint8Array };

/** The bytes are not a message of this version. */
export class TerminalFormatError extends Error {}
