//! What pages offer to whoever has rights at some places only (S21).
import { describe, expect, it } from 'vitest';
import { mayDoAt, type Customer } from '../src/lib/world.svelte';
import { choices, first, whereIs, widest } from '../src/pages/people/places';
import { ROLES } from '../src/pages/people/shapes';

const customer = (id: string, sites: Record<string, string[]>): Customer => {
  const of = { id, name: id, sites: [] } as Customer;
  of.sites = Object.entries(sites).map(([site, hosts]) => ({ id: site, name: site, customer: of, hosts: hosts.map((host) => ({ id: host, name: host })) as never }));
  return of;
};
const tree = [customer('mill', { yard: ['till', 'nas'], hall: [] }), customer('port', { pier: ['crane'] })];

type Nodes = { kind: string; id?: string }[];
const who = (...held: [string, Nodes, string[]][]) => ({
  user: { id: 'u', name: 'u' }, customers: [], rights: held.flatMap(([, , rights]) => rights), held: held.map(([role, nodes, rights]) => ({ role, nodes, rights })),
}) as never;
const asked = (me: never) => (where: object): boolean => mayDoAt(me, 'invitation.add', where);
const chosen = (me: never): unknown[] => choices(tree, asked(me)).map((of) => [of.customer.id, of.whole, of.sites.map((s) => [s.site.id, s.whole, s.hosts.map((h) => h.id)]), widest(of)]);

const RIGHTS = ['invitation.add'];
const everything = who(['owner', [{ kind: 'all' }], RIGHTS]);
const ofMill = who(['administrator', [{ kind: 'customer', id: 'mill' }], RIGHTS], ['technician', [{ kind: 'all' }], ['tree.see']]);

describe('a right', () => {
  it('holds at its place and below, by the role that gives it', () => {
    const may = asked(ofMill);
    expect([may({ customer: 'mill' }), may({ customer: 'mill', site: 'yard', host: 'till' })]).toEqual([true, true]);
    expect([may({}), may({ customer: 'port' }), may({ customer: 'port', site: 'pier' })]).toEqual([false, false, false]);
    expect([{}, { customer: 'port' }].map(asked(everything))).toEqual([true, true]);
    expect(asked(who())({ customer: 'mill' })).toBe(false);
    expect(mayDoAt(null, 'invitation.add', {})).toBe(false);
  });
});

describe('the place of a role', () => {
  const sites = new Map(tree.flatMap((c) => c.sites.map((s) => [s.id, s] as const)));
  const crane = { id: 'crane', site: sites.get('pier') } as never;
  const where = (kind: never, id?: string): object => whereIs({ kind, ...(id && { id }) }, sites, new Map([['crane', crane]]));
  it('has what is above it, so that a role held there counts', () => {
    expect(where('all' as never)).toEqual({});
    expect(where('customer' as never, 'mill')).toEqual({ customer: 'mill' });
    expect(where('site' as never, 'yard')).toEqual({ customer: 'mill', site: 'yard' });
    expect(where('host' as never, 'crane')).toEqual({ customer: 'port', site: 'pier', host: 'crane' });
    expect(where('site' as never, 'gone')).toEqual({ site: 'gone' });
  });
});

describe('the places at which a role can be given', () => {
  it('are the customers, sites and hosts where she may', () => {
    expect(chosen(ofMill)).toEqual([['mill', true, [['yard', true, ['till', 'nas']], ['hall', true, []]], { kind: 'customer', id: 'mill' }]]);
    expect(chosen(who(['administrator', [{ kind: 'site', id: 'hall' }, { kind: 'host', id: 'crane' }], RIGHTS]))).toEqual([
      ['mill', false, [['hall', true, []]], { kind: 'site', id: 'hall' }],
      ['port', false, [['pier', false, ['crane']]], { kind: 'host', id: 'crane' }],
    ]);
    expect(chosen(everything).length).toBe(2);
  });
  it('are chosen by hand where there are several, and never begin with everything', () => {
    expect(first(tree, asked(ofMill))).toEqual({ kind: 'customer', id: 'mill' });
    expect(first(tree, asked(everything))).toBeNull();
    expect(first(tree, asked(who(['administrator', [{ kind: 'customer', id: 'mill' }, { kind: 'site', id: 'pier' }], RIGHTS])))).toBeNull();
  });
  it('are given no role that is always refused', () => expect(ROLES.map((r) => r.role)).not.toContain('owner'));
});
