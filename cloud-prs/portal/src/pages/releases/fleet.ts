//! What the releases' page says of the server's answer. Pure.

import type { Fleet, Lag, ReleaseInfo, Ring, RingNow } from '../../api/schema';

export const RINGS: readonly Ring[] = ['first', 'early', 'all'];

/** For whom a ring is. */
export const ABOUT: Record<Ring, string> = {
  first: 'the provider’s own boxes', early: 'customers who agreed to come early', all: 'every other box',
};

export const LAGS: Record<Lag, { text: string; kind: '' | 'bad' | 'warn' | 'accent' }> = {
  failed: { text: 'failed', kind: 'bad' }, refused: { text: 'refused', kind: 'warn' }, offline: { text: 'offline', kind: '' },
  coming: { text: 'on the way', kind: 'accent' }, waiting: { text: 'waits its turn', kind: '' },
};

export interface Board { name: string; rings: RingNow[]; releases: ReleaseInfo[]; boxes: number }

/** Each board with its rings and its releases, the newest first. */
export function boards(fleet: Fleet): Board[] {
  const names = [...new Set(fleet.rings.map((r) => r.board))].sort((a, b) => a.localeCompare(b));
  return names.map((name) => {
    const rings = fleet.rings.filter((r) => r.board === name);
    return { name, rings, releases: fleet.releases.filter((r) => r.board === name), boxes: rings.reduce((n, r) => n + r.boxes, 0) };
  });
}

/** The ring that a release goes to next; the last one stays the last. */
export function next(release: ReleaseInfo): Ring {
  const at = release.ring ? RINGS.indexOf(release.ring) : -1;
  return RINGS[Math.min(at + 1, RINGS.length - 1)] as Ring;
}

/** What a release is to the fleet now. */
export function standing(release: ReleaseInfo, board: Board): { text: string; kind: '' | 'bad' | 'good' | 'accent' } {
  if (release.halted) return { text: 'stopped', kind: 'bad' };
  if (!release.ring) return { text: 'published, not out', kind: '' };
  const out = board.rings.some((r) => r.version === release.version);
  if (!out) return { text: 'replaced by a newer one', kind: '' };
  const done = release.reach.every((r) => r.have === r.boxes);
  return release.ring === 'all' && done ? { text: 'on every box', kind: 'good' } : { text: release.ring === 'all' ? 'out to every ring' : `out to ring ${release.ring}`, kind: 'accent' };
}
