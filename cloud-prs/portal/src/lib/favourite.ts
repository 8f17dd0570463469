//! Stars a host or takes the star back; shown at once, undone when refused.

import { loose } from '../api/call';
import { asks } from '../ui/ask.svelte';
import { problem } from '../api/call';
import { world, type Host } from './world.svelte';

export async function star(host: Host): Promise<void> {
  const now = !world.favourites.has(host.id);
  if (now) world.favourites.add(host.id); else world.favourites.delete(host.id);
  try {
    await loose(now ? 'put' : 'delete', '/api/v1/favourites/{host}', { path: { host: host.id } });
  } catch (error) {
    if (now) world.favourites.delete(host.id); else world.favourites.add(host.id);
    asks.say(problem(error), 'bad');
  }
}
