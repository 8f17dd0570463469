//! A page's way to the hub: the worker that the tabs share, or a hub of the
//! page's own where the browser has no such workers.

import { Hub, type Ear, type Said } from './hub';

export interface Way {
  hear(person: string): void;
  leave(): void;
}

export function way(ear: Ear): Way {
  if (typeof SharedWorker !== 'function') return own(ear);
  try {
    const { port } = new SharedWorker(new URL('./shared.ts', import.meta.url), { type: 'module', name: 'culvert-events' });
    const say = (said: Said): void => port.postMessage(said);
    port.onmessage = ({ data }) => ear(data);
    return { hear: (person) => say({ hear: person }), leave: () => say({ leave: true }) };
  } catch {
    // Some browsers have them and refuse them to some windows.
    return own(ear);
  }
}

function own(ear: Ear): Way {
  const hub = new Hub();
  return { hear: (person) => hub.hear(ear, person), leave: () => hub.leave(ear) };
}
