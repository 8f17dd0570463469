//! What can be done with a session that is shown: the buttons that its viewer puts
//! in the frame's title bar, and what Ctrl-K lists besides. A viewer takes every
//! other key, so all of it must be there.

import { SvelteMap } from 'svelte/reactivity';
import type { IconName } from '../ui/icons';

export interface Tool { icon: IconName; label: string; keys?: string; pressed?: boolean; disabled?: boolean; run: () => void; /** Has a place of its own: only Ctrl-K lists it. */ apart?: boolean }

const offered = new SvelteMap<string, Tool[]>();

/** For an `$effect` of a session's viewer or frame: offers tools while it is there. */
export function offer(tab: string, list: Tool[], by: 'viewer' | 'frame' = 'viewer'): () => void {
  const key = by + tab;
  offered.set(key, list);
  return () => { if (offered.get(key) === list) offered.delete(key); };
}

/** The viewer's, for the bar. */
export function toolsOf(tab: () => string): { readonly list: Tool[] } {
  return { get list() { return (offered.get('viewer' + tab()) ?? []).filter((tool) => !tool.apart); } };
}

/** All that can be done now, the viewer's first. */
export function usable(tab: { id: string; state: string }): Tool[] {
  const viewer = tab.state === 'ended' ? [] : offered.get('viewer' + tab.id) ?? [];
  return [...viewer, ...(offered.get('frame' + tab.id) ?? [])].filter((tool) => !tool.disabled);
}
