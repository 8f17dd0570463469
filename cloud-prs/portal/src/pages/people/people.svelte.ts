//! People, teams, roles and invitations, loaded once for the pages about them.

import { offers } from '../../api/offers';
import { get } from '../../api/call';
import type { InvitationInfo as Invitation } from '../../api/schema';
import { Resource } from '../../lib/resource.svelte';
import { world } from '../../lib/world.svelte';
import { whereIs } from './places';
import type { Assigned, Person, Team } from './shapes';

export type { Invitation };

export const users = (): Promise<Person[]> => get('/api/v1/users').then((a) => a.users);
export const teams = (): Promise<Team[]> => (world.may('team.list') && offers('/api/v1/teams') ? get('/api/v1/teams').then((a) => a.teams) : Promise.resolve([]));
export const assignments = (query: Record<string, string> = {}): Promise<Assigned[]> => (world.may('assignment.list') && offers('/api/v1/assignments') ? get('/api/v1/assignments', { query }).then((a) => a.assignments) : Promise.resolve([]));
export const invitations = (): Promise<Invitation[]> => (world.may('invitation.list') && offers('/api/v1/invitations') ? get('/api/v1/invitations').then((a) => a.invitations) : Promise.resolve([]));

/** Whether a role may be taken here: where it is held, and no owner's. */
export const mayTake = (of: Assigned): boolean => of.role !== 'owner' && world.mayAt('assignment.remove', whereIs(of.node, world.bySite, world.byHost));

export const crew = (): Resource<{ users: Person[]; teams: Team[]; assignments: Assigned[]; invitations: Invitation[] }> =>
  new Resource(async () => { const [u, t, a, i] = await Promise.all([users(), teams(), assignments(), invitations()]); return { users: u, teams: t, assignments: a, invitations: i }; });
