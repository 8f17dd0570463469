//! Moves a session into a window of its own. The worker belongs to its page, so
//! the new window opens the session anew; a terminal goes on where it was, by
//! the token with which the gateway keeps it.

import { asks } from '../ui/ask.svelte';
import { sessions, type Resume, type Tab } from './sessions.svelte';

const KEY = 'culvert.pop.';
interface Popped { host: string; protocol: string; port: number; resume: Resume | null; at: number }

export function popOut(tab: Tab): void {
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
