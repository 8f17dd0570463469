//! The worker that the tabs of a browser share for the server's events (hub.ts).
//! A tab that goes says so; the worker ends with the last of them.

import { Hub, type Ear, type Said } from './hub';

const hub = new Hub();

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = ({ ports }) => {
  const [port] = ports;
  if (!port) return;
  const ear: Ear = (told) => port.postMessage(told);
  port.onmessage = ({ data }: MessageEvent<Said>) => {
    if ('hear' in data) hub.hear(ear, data.hear);
    else hub.leave(ear);
  };
  // Newer browsers tell of a tab that died; in others its port hears nothing.
  port.addEventListener('close', () => hub.leave(ear));
};
