//! People, teams and roles as the server tells them, and what pages make of
//! them. Pure.

import type { Account, AssignmentInfo, NodeRef, Role, TeamInfo } from '../../api/schema';
import { clip } from '../../lib/format';

export type { Account as Person, AssignmentInfo as Assigned, NodeRef as Node, TeamInfo as Team };
export type RoleName = Role;

/** Those that are given here; owners are made at the server's console. */
export const ROLES: readonly { role: RoleName; what: string }[] = [
  { role: 'reader', what: 'sees reports only; for a customer’s own person' },
  { role: 'technician', what: 'opens sessions on the hosts there' },
  { role: 'administrator', what: 'also sets up sites, boxes, hosts and people there, and gives these roles to others' },
];

/** "everything" or "Customer › Site". */
export const place = (path: readonly string[]): string => (path.length ? path.map((p) => clip(p, 60)).join(' › ') : 'everything');

/** Assignments of each person, and by which team they come. */
export function rolesOf(person: string, teams: readonly TeamInfo[], all: readonly AssignmentInfo[]): { assigned: AssignmentInfo; team: TeamInfo | null }[] {
  const hers = new Map(teams.filter((t) => t.members.some((m) => m.id === person)).map((t) => [t.id, t]));
  return all.flatMap((assigned) =>
    assigned.subject.kind === 'user' ? (assigned.subject.id === person ? [{ assigned, team: null }] : [])
      : hers.has(assigned.subject.id) ? [{ assigned, team: hers.get(assigned.subject.id) ?? null }] : []);
}

/** Each role once, with the places where it is held; the widest role first. */
export function grouped(all: readonly AssignmentInfo[]): { role: RoleName; places: string[] }[] {
  const of = (role: RoleName): string[] => [...new Set(all.filter((a) => a.role === role).map((a) => place(a.path)))];
  return (['owner', 'administrator', 'technician', 'reader'] as const).map((role) => ({ role, places: of(role) })).filter((g) => g.places.length > 0);
}
