//! The buttons that a viewer puts in its frame's title bar.

import { SvelteMap } from 'svelte/reactivity';
import type { IconName } from '../ui/icons';

export interface Tool { icon: IconName; label: string; keys?: string; pressed?: boolean; disabled?: boolean; run: () => void }

const offered = new SvelteMap<string, Tool[]>();

/** For a viewer's `$effect`: offers its tools while it is there. */
export function offer(tab: string, list: Tool[]): () => void {
  offered.set(tab, list);
  return () => { if (offered.get(tab) === list) offered.delete(tab); };
}

export function toolsOf(tab: () => string): { readonly list: Tool[] } {
  return { get list() { return offered.get(tab()) ?? []; } };
}
