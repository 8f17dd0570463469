// Measures the endpoint in a real browser: throughput gateway → browser, and
// from a typed key to its echo. Prints one line of JSON. Started by
// `./bench portal`, which makes the world.

import { browse, percentile } from '../pipe.mjs';
import { helpers, need, start } from './world.mjs';

/** Runs in the page: bytes per second of a long answer, and the page's longest pause. */
async function throughput(seconds) {
  const session = await t.open('device', 'http');
  const stream = await session.open('target', 0, 'bulk');
  const writer = stream.writable.getWriter();
  const ask = 'GET /blob HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n';
  await writer.write(new TextEncoder().encode(ask));
  const reader = stream.readable.getReader();
  let last = performance.now();
  let pause = 0;
  const beat = setInterval(() => {
    pause = Math.max(pause, performance.now() - last);
    last = performance.now();
  }, 10);
  let bytes = 0;
  // The first second is for windows to open.
  const warm = performance.now() + 1000;
  let begun = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('the file is too short');
    const now = performance.now();
    if (now >= warm) {
      begun ||= now;
      bytes += value.byteLength;
      if (now - begun >= seconds * 1000) break;
    }
  }
  const took = performance.now() - begun;
  clearInterval(beat);
  session.close();
  await session.closed;
  return { mbits: (bytes * 8) / took / 1000, pause };
}

/** Runs in the page: milliseconds from each typed key to its echo. */
async function echoes(account, password, count) {
  const session = await t.open('server', 'telnet');
  const stream = await session.telnet(0);
  const writer = stream.writable.getWriter();
  const type = (text) => writer.write(new TextEncoder().encode(text));
  await t.readText(stream, (text) => /login: *$/i.test(text));
  await type(`${account}\r`);
  await t.readText(stream, (text) => /password: *$/i.test(text));
  await type(`${password}\r`);
  // What is typed before the shell is there, login throws away.
  await t.readText(stream, (text) => /\$ $/.test(text));
  await type("stty raw -echo; echo RE'ADY'; exec cat\r");
  await t.readText(stream, (text) => text.includes('READY'));
  await new Promise((wake) => setTimeout(wake, 500));
  const reader = stream.readable.getReader();
  const took = [];
  for (let at = 0; at < count; at += 1) {
    const begun = performance.now();
    await type('k');
    await reader.read();
    took.push(performance.now() - begun);
    await new Promise((wake) => setTimeout(wake, 20));
  }
  session.close();
  await session.closed;
  return took;
}

const { stop, address } = await start();
let browser = null;
try {
  browser = await browse(address);
  const { page } = browser;
  await page.until('the page under test', "typeof globalThis.culvert === 'object'");
  await page.call(helpers, need('CULVERT_NAME'), need('CULVERT_PASSWORD'));
  const speeds = [];
  for (let round = 0; round < 3; round += 1) speeds.push(await page.call(throughput, 5));
  const who = [need('CULVERT_ACCOUNT'), need('CULVERT_ACCOUNT_PASSWORD')];
  const took = await page.call(echoes, ...who, 200);
  speeds.sort((one, other) => one.mbits - other.mbits);
  const result = {
    mbits: speeds[1].mbits,
    slowest: speeds[0].mbits,
    pause: Math.max(...speeds.map((speed) => speed.pause)),
    echo: percentile(took, 0.5),
    echo_p95: percentile(took, 0.95),
  };
  console.log(JSON.stringify(result));
} finally {
  await browser?.stop();
  stop();
}
