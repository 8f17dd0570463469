//! What a page and a session's worker say to each other.
//!
//! One worker carries one session. The worker's own port carries the session,
//! each stream has a port of its own. Bytes are transferred, never shared.

import type { Told } from './worker/kept';
import type {
  Lane,
  PathQuality,
  SealInfo,
  Service,
  SessionAnswer,
  SessionEnd,
  SessionState,
  TelnetCharset,
} from './types';

/** Page to worker. */
export type ToWorker =
  | { type: 'key' }
  | { type: 'connect'; answer: SessionAnswer }
  | { type: 'open'; id: number; what: Opening; port: MessagePort }
  | { type: 'seal'; id: number; info: SealInfo; secret: Uint8Array }
  | { type: 'close' };

/** What a stream is opened for. */
export interface Opening {
  service: Service;
  index: number;
  lane: Lane;
  first?: Uint8Array;
  telnet?: { cols: number; rows: number; terminal: string; charset: TelnetCharset; kept: false | 'new' | 'resumed' };
}

/** Worker to page. */
export type FromWorker =
  | { type: 'key'; publicKey: string }
  | { type: 'state'; state: SessionState }
  | { type: 'path'; quality: PathQuality }
  | { type: 'opened'; id: number }
  | { type: 'sealed'; id: number; sealed: Uint8Array }
  | { type: 'failed'; id: number; end: SessionEnd }
  | { type: 'closed'; end: SessionEnd };

/** Page to worker, about one stream. */
export type ToStream =
  | { data: Uint8Array }
  | { more: number }
  | { finish: true }
  | { stop: number }
  | { reset: number }
  | { resize: [number, number] };

/** Worker to page, about one stream. */
export type FromStream =
  | { data: Uint8Array }
  | { took: number }
  | { told: Told }
  | { end: true }
  | { over: SessionEnd };

/** Bytes that may wait for the reader in the page before the host is slowed down. */
export const READ_WINDOW = 1 << 20;
/** Bytes that may be on the way from the page to QUIC. */
export const WRITE_WINDOW = 256 * 1024;
/** Largest piece handed to the worker at once. */
export const PIECE = 64 * 1024;
