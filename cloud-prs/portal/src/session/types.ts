//! What a page may know of a session: plain types, no code.
//!
//! The page never sees a key, a packet or a ticket of the link: those stay in
//! the session's worker. Used by `index.ts` and by everything that shows a
//! session.

import type { Told } from './worker/kept';

/** The server's answer to `POST /api/v1/sessions`, as it came. */
export interface SessionAnswer {
  session: string;
  ticket: string;
  gateway_key: string;
  gateway: string;
  site: string;
  targets: SessionTarget[];
  ends_at: number;
}

/** One thing that a session may reach. */
export interface SessionTarget {
  address: string;
  port: number;
  protocol: string;
}

/** The key of this end, made for one session; its secret half never leaves the worker. */
export interface EndKey {
  /** As `end_key` of `POST /api/v1/sessions` wants it. */
  readonly publicKey: string;
  /** Whether a session can still be made with it: not taken, and its worker lives. */
  readonly usable: boolean;
  /** Gives up a key that no session was made with. */
  dispose(): void;
}

/** Why something is over. */
export interface SessionEnd {
  /** The number of the reason (docs/wire.md). */
  code: number;
  /** Its stable name, such as `host_refused`. */
  slug: string;
  /** For people: what happened, and what to do where something can be done. */
  sentence: string;
}

export type SessionState = 'connecting' | 'open' | 'reconnecting' | 'closed';

/** Figures of the path that is in use. */
export interface PathQuality {
  kind: 'relay' | 'rtc';
  /** Round trip of a packet, smoothed. */
  rttMs: number;
  /** Packets lost of those sent in the last seconds. */
  lostPercent: number;
  /** Largest packet in use, in bytes. */
  mtu: number;
  /** Why it is this path: one sentence. */
  why: string;
}

export type Service = 'target' | 'terminal' | 'test';
export type Lane = 'input' | 'screen' | 'clipboard' | 'bulk';

/** Bytes both ways; each way ends on its own. */
export interface Stream {
  /** Read slowly and the host is slowed down: nothing piles up. */
  readonly readable: ReadableStream<Uint8Array>;
  /** `write` resolves when there is room for more; `close` ends this way alone. */
  readonly writable: WritableStream<Uint8Array>;
  /** Breaks both ways; the code is a reason's number (docs/wire.md). */
  reset(code: number): void;
  /** When both ways are over. Never rejects. */
  readonly closed: Promise<SessionEnd>;
}

/** A telnet conversation: what is read goes to the terminal, what is typed is written. */
export interface TelnetStream extends Stream {
  /** Tells the host the size of the terminal, if it asked for it. */
  resize(cols: number, rows: number): void;
}

export type TelnetCharset = 'utf-8' | 'iso-8859-1' | 'cp437';

export interface TelnetOptions {
  cols?: number;
  rows?: number;
  /** The terminal's type; `xterm-256color` if not given. */
  terminal?: string;
  /** What the host writes; `utf-8` if not given. */
  charset?: TelnetCharset;
  /** The gateway keeps the connection: what it says of that, beside the host's bytes. */
  kept?: { resume?: Uint8Array; told: (message: Told) => void };
}

/** What a secret is sealed for: nobody but that gateway opens it, for nothing but that target. */
export interface SealInfo {
  /** The gateway's identity key, as the API gives it. */
  gatewayKey: string;
  /** The gateway's X25519 key, base32. */
  sealingKey: string;
  /** The identity key's signature over the sealing key, base32. */
  signature: string;
  customer: string;
  host: string;
  address: string;
  port: number;
  protocol: string;
  account: string;
  /** `password` if not given. */
  kind?: 'password' | 'private_key';
  /** Of a private key; empty if not given. */
  passphrase?: Uint8Array;
}

/** A running session; its worker ends with it. Datagrams come with the picture pipeline (decision 0049). */
export interface Session {
  /**
   * Opens a stream. Bytes in `first` go out with the opening, before the
   * gateway has answered. Rejects with a `SessionError` when it is refused.
   */
  open(service: Service, index: number, lane?: Lane, first?: Uint8Array): Promise<Stream>;
  /**
   * Opens a target and speaks telnet to it. With `kept` the gateway keeps the
   * connection (a box of before that refuses: reason `target_unknown`).
   */
  telnet(index: number, options?: TelnetOptions): Promise<TelnetStream>;
  /** Seals a secret for a gateway (see `seal`). */
  seal(info: SealInfo, secret: Uint8Array): Promise<Uint8Array>;
  on(event: 'path', listener: (quality: PathQuality) => void): void;
  on(event: 'state', listener: (state: SessionState) => void): void;
  /** Never rejects. */
  readonly closed: Promise<SessionEnd>;
  readonly state: SessionState;
  close(): void;
}
