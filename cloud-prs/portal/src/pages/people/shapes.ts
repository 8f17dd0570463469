//! People, teams and roles as the server tells them, and what pages make of
//! them. Pure.

import { clip } from '../../lib/format';

export type RoleName = 'reader' | 'technician' | 'administrator' | 'owner';
export interface Node { kind: 'all' | 'customer' | 'site' | 'host'; id?: string }
export interface Person { id: string; name: string; role?: RoleName | null; disabled: boolean; created: number; rights: string[] }
export interface Team { id: string; name: string; members: { id: string; name: string }[] }
export interface Assigned { id: string; subject: { kind: 'user' | 'team'; id: string }; subject_name: string; role: RoleName; node: Node; path: string[]; granted: number; granted_by: string }

/** Those that are given here; owners are made at the server's console. */
export const ROLES: readonly { role: RoleName; what: string }[] = [
  { role: 'reader', what: 'sees reports only; for a customer’s own person' },
  { role: 'technician', what: 'opens sessions on the hosts there' },
  { role: 'administrator', what: 'also sets up sites, boxes, hosts and people there, and gives these roles to others' },
];

/** "everything" or "Customer › Site". */
export const place = (path: readonly string[]): string => (path.length ? path.map((p) => clip(p, 60)).join(' › ') : 'everything');

/** Assignments of each person, and by which team they come. */
export function rolesOf(person: string, teams: readonly Team[], all: readonly Assigned[]): { assigned: Assigned; team: Team | null }[] {
  const hers = new Map(teams.filter((t) => t.members.some((m) => m.id === person)).map((t) => [t.id, t]));
  return all.flatMap((assigned) =>
    assigned.subject.kind === 'user' ? (assigned.subject.id === person ? [{ assigned, team: null }] : [])
      : hers.has(assigned.subject.id) ? [{ assigned, team: hers.get(assigned.subject.id) ?? null }] : []);
}
