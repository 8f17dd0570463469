//! Moves a session into a window of its own. The worker belongs to its page, so
//! the new window opens the session anew; a terminal goes on where it was, by
//! the token with which the gateway keeps it.

import { hues } from '../lib/hues.svelte';
import { asks } from '../ui/ask.svelte';
import { sessions, type Given, type Resume, type Tab } from './sessions.svelte';

const KEY = 'culvert.pop.';
interface Popped { host: string; protocol: string; port: number; resume: Resume | null; hue: number; viewOnly?: boolean; at: number }

/** What does not go on where it was: the gateway keeps terminals, and desktops have nothing to go on with. */
export function startsAnew(what: { resume: Resume | null }): boolean { return what.resume === null; }

export async function popOut(tab: Tab): Promise<void> {
  if (startsAnew(tab) && !(await asks.confirm({ title: 'Start anew in a window of its own?', text: tab.protocol === 'vnc' ? 'The desktop is connected again in the new window, with the password that was given here. What runs on it goes on.' : 'This session cannot be taken along: it ends, with what runs in it, and the new window signs in again.', yes: 'Start anew' }))) return;
  const id = crypto.randomUUID();
  const popped: Popped = { host: tab.host, protocol: tab.protocol, port: tab.port, resume: tab.resume, hue: hues.of(tab.names.customerId, tab.names.colour), viewOnly: tab.viewOnly, at: Date.now() };
  localStorage.setItem(KEY + id, JSON.stringify(popped));
  const opened = window.open(`/pop/${id}?alone=1`, '_blank', 'popup,width=1100,height=720');
  if (!opened) {
    localStorage.removeItem(KEY + id);
    asks.say('The browser blocked the new window: allow pop-ups for this address, then try again.', 'bad');
    return;
  }
  const given = tab.lend?.();
  if (given) lend(id, given);
  tab.moving = true;
  void sessions.close(tab, false);
}

const LENT_MS = 30_000;

/** Hands what a desktop was signed in to with to the new window: from memory to memory, once. */
function lend(id: string, given: Given): void {
  const channel = new BroadcastChannel(KEY + id);
  const over = setTimeout(() => channel.close(), LENT_MS);
  channel.onmessage = ({ data }) => {
    if (data !== 'wanted') return;
    channel.postMessage({ given });
    channel.close();
    clearTimeout(over);
  };
}

/** What the window before has to give; nothing, if it has gone or has nothing. */
export function borrow(id: string): Promise<Given | null> {
  const channel = new BroadcastChannel(KEY + id);
  return new Promise<Given | null>((resolve) => {
    channel.onmessage = ({ data }: MessageEvent<{ given?: Given }>) => resolve(data.given ?? null);
    setTimeout(() => resolve(null), 2_000);
    channel.postMessage('wanted');
  }).finally(() => channel.close());
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
