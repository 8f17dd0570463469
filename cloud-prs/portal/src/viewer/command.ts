//! The command line that reaches a host with `culvert`. The host is named by its
//! id where its name could mean anything to a shell. Pure.

import type { Host } from '../lib/world.svelte';

const PLAIN = /^[a-z0-9][a-z0-9._-]{0,60}$/i;
const STANDARD: Record<string, number> = { ssh: 22, telnet: 23, vnc: 5900, rdp: 3389, http: 80, https: 443 };

export function commandFor(host: Pick<Host, 'id' | 'name'>, protocol: string, port: number): string {
  const name = PLAIN.test(host.name) ? host.name : host.id;
  const at = STANDARD[protocol] === port ? name : protocol === 'vnc' ? `${name}::${port}` : `${name}:${port}`;
  switch (protocol) {
    case 'ssh': case 'telnet': case 'vnc': case 'rdp': return `culvert ${protocol} ${at}`;
    case 'http': case 'https': return `culvert web ${at}`;
    default: return `culvert forward ${name}:${port}`;
  }
}
