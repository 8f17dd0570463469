//! The tree as flat rows for the windowed list: customers, their sites, their
//! hosts; folded and filtered. Pure.

import type { Customer, Host, Site } from '../lib/world.svelte';

export type Row =
  | { kind: 'customer'; id: string; customer: Customer; open: boolean; hosts: number; level: 1 }
  | { kind: 'site'; id: string; site: Site; open: boolean; hosts: number; level: 2 }
  | { kind: 'host'; id: string; host: Host; level: 3 };

export interface Filter {
  /** Hosts that match the words; null when nothing is asked. */
  hosts: Set<string> | null;
  keep: (host: Host) => boolean;
  folded: { has(id: string): boolean };
}

export function rows(customers: readonly Customer[], filter: Filter, filtered: boolean): Row[] {
  const out: Row[] = [];
  for (const customer of customers) {
    const at = out.length;
    const open = filtered || !filter.folded.has(customer.id);
    let count = 0;
    for (const site of customer.sites) {
      const hosts = filtered ? site.hosts.filter((h) => (!filter.hosts || filter.hosts.has(h.id)) && filter.keep(h)) : site.hosts;
      if (filtered && hosts.length === 0) continue;
      count += hosts.length;
      if (!open) continue;
      const siteOpen = filtered || !filter.folded.has(site.id);
      out.push({ kind: 'site', id: site.id, site, open: siteOpen, hosts: hosts.length, level: 2 });
      if (siteOpen) for (const host of hosts) out.push({ kind: 'host', id: host.id, host, level: 3 });
    }
    if (filtered && count === 0) continue;
    out.splice(at, 0, { kind: 'customer', id: customer.id, customer, open, hosts: count, level: 1 });
  }
  return out;
}
