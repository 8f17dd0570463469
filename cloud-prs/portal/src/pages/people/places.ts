//! The places at which somebody may give a role. Pure.

import type { Customer, Host, Site, Where } from '../../lib/world.svelte';
import type { Node } from './shapes';

/** Where a role is held, with what is above it. */
export function whereIs(node: Node, sites: ReadonlyMap<string, Site>, hosts: ReadonlyMap<string, Host>): Where {
  if (node.kind === 'all') return {};
  const host = node.kind === 'host' ? hosts.get(node.id) : undefined;
  const site = host?.site ?? (node.kind === 'site' ? sites.get(node.id) : undefined);
  return { ...(site && { customer: site.customer.id, site: site.id }), [node.kind]: node.id };
}

/** What of a customer there is to choose: the whole, whole sites, hosts. */
export interface Choice { customer: Customer; whole: boolean; sites: { site: Site; whole: boolean; hosts: Host[] }[] }

export function choices(customers: readonly Customer[], may: (where: Where) => boolean): Choice[] {
  const sites = (customer: Customer): Choice['sites'] => customer.sites.map((site) => {
    const where = { customer: customer.id, site: site.id };
    const whole = may(where);
    return { site, whole, hosts: whole ? site.hosts : site.hosts.filter((h) => may({ ...where, host: h.id })) };
  }).filter((of) => of.whole || of.hosts.length > 0);
  return customers.map((customer) => ({ customer, whole: may({ customer: customer.id }), sites: sites(customer) })).filter((of) => of.whole || of.sites.length > 0);
}

/** The widest place there is in a choice. */
export function widest({ customer, whole, sites: [first] }: Choice): Node | null {
  if (whole) return { kind: 'customer', id: customer.id };
  if (!first) return null;
  const [host] = first.hosts;
  return first.whole ? { kind: 'site', id: first.site.id } : host ? { kind: 'host', id: host.id } : null;
}

/** Whoever manages one customer only need not choose; nobody begins with everything. */
export function first(customers: readonly Customer[], may: (where: Where) => boolean): Node | null {
  const [only, more] = may({}) ? [] : choices(customers, may);
  return only && !more ? widest(only) : null;
}
