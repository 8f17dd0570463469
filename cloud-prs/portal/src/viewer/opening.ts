//! Opens the session of a tab: a fresh key in a worker (warm.ts has one ready),
//! the server's grant, the end-to-end handshake (its worker renews the grant). The viewer then opens its
//! stream. Everything is undone when the tab goes away meanwhile.

import { post, Refused } from '../api/call';
import type { SessionAnswer as ApiAnswer } from '../api/schema';
import { clip } from '../lib/format';
import { isNotLoaded, NOT_LOADED } from '../lib/loading';
import { connect, SessionError, type EndKey, type Session, type SessionEnd } from '../session';
import type { Tab } from './sessions.svelte';
import { takeEnd } from './warm';
import type { Protocol } from '../api/types';

export interface Opened { session: Session; answer: ApiAnswer }

export async function openSession(tab: Tab, signal: AbortSignal): Promise<Opened> {
  let key: EndKey | null = await takeEnd();
  try {
    signal.throwIfAborted();
    tab.step = 'Asking the server for the session…';
    const answer = await post('/api/v1/sessions', { body: { host: tab.host, protocol: tab.protocol as Protocol, ports: [tab.port], end_key: key.publicKey } });
    tab.step = `Connecting to the box at ${clip(tab.names.site, 60)}…`;
    const used = key;
    key = null;
    const session = await connect({ answer, endKey: used, signal });
    tab.session = session;
    session.on('path', (quality) => { tab.path = quality; });
    session.on('state', (state) => {
      if (state === 'reconnecting' && tab.state === 'open') tab.state = 'reconnecting';
      if (state === 'open' && tab.state === 'reconnecting') tab.state = 'open';
    });
    void session.closed.then((end) => { if (tab.session === session) tab.finish(end); });
    return { session, answer };
  } finally {
    key?.dispose();
  }
}

/** The end of a session that this page cannot open, and the same page loaded anew can. */
export const NEEDS_RELOAD = 'page_outdated';

/** Whatever went wrong, as an end with a sentence. */
export function endOf(error: unknown): SessionEnd {
  if (error instanceof SessionError) return { code: error.code, slug: error.slug, sentence: error.sentence };
  if (error instanceof Refused) return { code: error.status, slug: error.reason, sentence: error.message };
  if (isNotLoaded(error)) return { code: 500, slug: NEEDS_RELOAD, sentence: NOT_LOADED };
  return { code: 500, slug: 'internal', sentence: error instanceof Error ? error.message : 'Something failed; try again.' };
}
