//! What a host's services are called: the port is said where the name alone would not do. Pure.

import type { HostService as Service } from '../api/schema';
import { protocolName } from './format';

const STANDARD: Record<string, number> = { ssh: 22, telnet: 23, vnc: 5900, rdp: 3389, http: 80, https: 443 };

/** "SSH"; "Web 443" beside another Web; `all` names each port that is not the usual one. */
export function serviceName({ protocol, port }: Service, of: readonly Service[], all = false): string {
  const twin = of.filter((s) => protocolName(s.protocol) === protocolName(protocol)).length > 1;
  return protocolName(protocol) + (twin || protocol === 'tcp' || (all && STANDARD[protocol] !== port) ? ` ${port}` : '');
}
