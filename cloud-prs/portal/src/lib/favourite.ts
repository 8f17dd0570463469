//! Stars a host or takes the star back; shown at once, undone when refused.

import { del, problem, put } from '../api/call';
import { asks } from '../ui/ask.svelte';
import { world, type Host } from './world.svelte';

export async function star(host: Host): Promise<void> {
  const now = !world.favourites.has(host.id);
  if (now) world.favourites.add(host.id); else world.favourites.delete(host.id);
  try {
    const path = { host: host.id };
    await (now ? put('/api/v1/favourites/{host}', { path }) : del('/api/v1/favourites/{host}', { path }));
  } catch (error) {
    if (now) world.favourites.delete(host.id); else world.favourites.add(host.id);
    asks.say(problem(error), 'bad');
  }
}
