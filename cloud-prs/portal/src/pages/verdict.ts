//! What the box's doctor says, or what can be said without it. Pure.

import { sentence } from '../api/call';
import type { TreeGateway } from '../api/schema';

export function verdictOf(box: TreeGateway | undefined): string {
  if (!box) return 'No box stands here yet.';
  if (box.state === 'quarantined') return 'Two boxes show the same identity: decide which one is real.';
  if (box.state === 'revoked') return 'Shut out for good.';
  const v = box.verdict;
  if (typeof v === 'string' && v) return sentence(v);
  if (v && typeof v === 'object') return sentence(v.text || v.code);
  return box.online ? '' : 'Not connected: power, cable or the customer’s line.';
}

/** Nothing is to be done about it. */
export function wellOf(box: TreeGateway | undefined): boolean {
  const v = box?.verdict;
  return box?.online === true && box.state === 'active' && (!v || (typeof v === 'object' && v.code === 'ok'));
}
