//! Asks the server for more time for a session; the sign-in's cookie says who
//! asks. When to ask is the endpoint's decision.

import type { End } from '../wasm/culvert_endpoint';
import type { Pump } from './pump';

export async function renew(session: string, end: End, pump: Pump): Promise<void> {
  end.renewed(await endsAt(session));
  pump.schedule();
}

/** The new end; none when the server refuses or does not answer. */
async function endsAt(session: string): Promise<number | undefined> {
  try {
    const path = `/api/v1/sessions/${encodeURIComponent(session)}/renew`;
    const answer = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      cache: 'no-store',
      signal: AbortSignal.timeout(30_000),
    });
    if (!answer.ok) return undefined;
    return ((await answer.json()) as { ends_at: number }).ends_at;
  } catch {
    return undefined;
  }
}
