//! The sites that a new box may be claimed for.

import { world, type Customer, type Site } from '../lib/world.svelte';

/** Without a box, and where she may; by customer. */
export const freeSites = (): { customer: Customer; sites: Site[] }[] => world.customers
  .map((customer) => ({ customer, sites: customer.sites.filter((s) => !world.boxes.has(s.id) && world.mayAt('claim.add', { customer: customer.id, site: s.id })) }))
  .filter((of) => of.sites.length > 0);
