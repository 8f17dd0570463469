//! Moves a session into a window of its own. The worker belongs to its page, so
//! the new window opens the session anew; a terminal goes on where it was, by
//! the token with which the gateway keeps it.

import { asks } from '../ui/ask.svelte';
import { sessions, type Resume, type Tab } from './sessions.svelte';

const KEY = 'culvert.pop.';
interface Popped { host: string; protocol: string; port: number; resume: Resume | null; at: number }

/** What does not go on where it was: only a terminal by SSH is kept by the gateway. */
export function startsAnew(protocol: string): boolean { return protocol !== 'ssh'; }

export async function popOut(tab: Tab): Promise<void> {
  if (startsAnew(tab.protocol) && !(await asks.confirm({ title: 'Start anew in a window of its own?', text: tab.protocol === 'telnet' ? 'Telnet cannot be taken along: this session ends, with what runs in it, and the new window signs in again.' : 'The desktop is connected again in the new window, which may ask for its password. What runs on it goes on.', yes: 'Start anew' }))) return;
  const id = crypto.randomUUID();
  const popped: Popped = { host: tab.host, protocol: tab.protocol, port: tab.port, resume: tab.resume, at: Date.now() };
  localStorage.setItem(KEY + id, JSON.stringify(popped));
  const opened = window.open(`/pop/${id}?alone=1`, '_blank', 'popup,width=1100,height=720');
  if (!opened) {
    localStorage.removeItem(KEY + id);
    asks.say('The browser blocked the new window: allow pop-ups for this address, then try again.', 'bad');
    return;
  }
  tab.moving = true;
  void sessions.close(tab, false);
}

/** What the new window was opened for; good once. */
export function popped(id: string): Popped | null {
  const text = localStorage.getItem(KEY + id);
  localStorage.removeItem(KEY + id);
  try {
    const p = JSON.parse(text ?? '') as Popped;
    return Date.now() - p.at < 120_000 ? p : null;
  } catch { return null; }
}
