//! Tries each protocol of a host through a session of its own and says what
//! answered. The gateway dials; nothing but its report comes back.

import { post } from '../api/call';
import type { Protocol } from '../api/types';
import type { Host } from '../lib/world.svelte';
import { connect, newEndKey } from '../session';
import { endOf } from './opening';

export interface Finding { protocol: string; port: number; good: boolean; text: string }

export async function testHost(host: Host, found: (finding: Finding) => void): Promise<void> {
  for (const { protocol, port } of host.services) {
    try { found({ protocol, port, good: true, text: await test(host, protocol, port) }); } catch (error) { found({ protocol, port, good: false, text: endOf(error).sentence }); }
  }
}

async function test(host: Host, protocol: Protocol, port: number): Promise<string> {
  const endKey = await newEndKey();
  let answer;
  try { answer = await post('/api/v1/sessions', { body: { host: host.id, protocol, ports: [port], end_key: endKey.publicKey, test: true } }); } catch (error) { endKey.dispose(); throw error; }
  const session = await connect({ answer, endKey });
  try {
    const stream = await session.open('test', 0);
    const text = await read(stream.readable);
    return text || 'The port is open.';
  } finally { session.close(); }
}

async function read(readable: ReadableStream<Uint8Array>): Promise<string> {
  const reader = readable.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    while (text.length < 4096) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
  } catch { /* what came is the report */ }
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}
