//! What is typed about a host, checked before it is sent. The server checks again.

import type { Protocol, Service } from '../api/types';

export const PORTS: Record<Protocol, number> = { ssh: 22, vnc: 5900, rdp: 3389, telnet: 23, http: 80, https: 443, tcp: 8080 };
export const ORDER: readonly Protocol[] = ['ssh', 'vnc', 'rdp', 'telnet', 'https', 'http', 'tcp'];

export interface Draft { name: string; address: string; services: Service[]; anyPort: boolean }

/** The first fault in words, or nothing. */
export function fault(draft: Draft): string {
  if (!draft.name.trim()) return 'Give the host a name.';
  if (!draft.address.trim()) return 'Give the address as the box dials it: an IP address or a name.';
  if (/\s|\//.test(draft.address.trim())) return 'The address is an IP address or a name alone, without blanks, http:// or a path.';
  const seen = new Set<string>();
  for (const s of draft.services) {
    if (!Number.isInteger(s.port) || s.port < 1 || s.port > 65535) return `The port of ${s.protocol.toUpperCase()} is a number from 1 to 65535.`;
    const key = `${s.protocol}:${s.port}`;
    if (seen.has(key)) return `${s.protocol.toUpperCase()} on port ${s.port} is there twice.`;
    seen.add(key);
  }
  return '';
}

/** The next protocol that is not there yet. */
export function nextService(services: readonly Service[]): Service {
  const protocol = ORDER.find((p) => !services.some((s) => s.protocol === p)) ?? 'tcp';
  return { protocol, port: PORTS[protocol] };
}
