// What the browser's endpoint does with a real server, gateway and hosts: one
// function for each claim; its name is the claim.

import assert from 'node:assert/strict';

import { helpers } from './world.mjs';

/** Signs in, in the page, and leaves the helpers there as `t`. */
async function signIn(world, page) {
  const source = `(${helpers})(${JSON.stringify(world.name)}, ${JSON.stringify(world.password)})`;
  await page.evaluate(source);
}

export async function a_session_reaches_a_real_ssh_server_and_its_figures_come(world, page) {
  await signIn(world, page);
  const got = await page.evaluate(async () => {
    const session = await t.open('server', 'ssh');
    const quality = new Promise((told) => session.on('path', told));
    const stream = await session.open('target', 0);
    const banner = await t.readText(stream, (text) => text.includes('\n'));
    const figures = await quality;
    session.close();
    return { banner, figures, end: await session.closed };
  });
  assert.match(got.banner, /^SSH-2\.0-OpenSSH/);
  assert.equal(got.figures.kind, 'relay');
  assert.ok(got.figures.rttMs > 0 && got.figures.mtu >= 1200, JSON.stringify(got.figures));
  assert.equal(got.end.slug, 'closed_by_technician');
  assert.match(got.end.sentence, /^[A-Z].*\.$/);
}

export async function a_viewer_gets_a_real_desktop_through_a_websockets_face(world, page) {
  await signIn(world, page);
  const got = await page.evaluate(async () => {
    const session = await t.open('desktop', 'vnc');
    const socket = new culvert.StreamSocket(session.open('target', 0, 'screen'));
    const bytes = await new Promise((resolve, reject) => {
      socket.onerror = () => reject(new Error('the socket failed'));
      socket.onmessage = ({ data }) => resolve(new Uint8Array(data));
    });
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    const state = socket.readyState;
    socket.close();
    const { code, wasClean } = await closed;
    session.close();
    return { hello: String.fromCharCode(...bytes.slice(0, 12)), state, code, wasClean };
  });
  assert.match(got.hello, /^RFB 003\.00\d\n$/);
  assert.deepEqual([got.state, got.wasClean], [1, true]);
}

export async function a_link_that_breaks_in_mid_stream_comes_back_and_no_byte_is_lost(world, page) {
  await signIn(world, page);
  await page.evaluate(async () => {
    globalThis.session = await t.open('device', 'http');
    const stream = await session.open('target', 0, 'bulk');
    const writer = stream.writable.getWriter();
    const ask = 'GET /blob HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n';
    await writer.write(new TextEncoder().encode(ask));
    globalThis.reader = stream.readable.getReader();
    globalThis.chunks = [];
    const { value } = await reader.read();
    chunks.push(value);
  });
  const before = world.door.opened;
  world.door.cut();
  const got = await page.evaluate(async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
    }
    const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
    const text = new TextDecoder('latin1').decode(whole.slice(0, 4096));
    const body = whole.slice(text.indexOf('\r\n\r\n') + 4);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
    session.close();
    const hex = [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return { length: body.length, hex, states: session.states };
  });
  assert.ok(got.length > 2_000_000, `${got.length} bytes`);
  assert.equal(got.hex, world.blob);
  assert.ok(world.door.opened > before, 'a new link was opened');
  assert.ok(got.states.includes('reconnecting'), got.states.join());
}

export async function telnet_knows_type_and_size_and_logs_in(world, page) {
  await signIn(world, page);
  const got = await page.evaluate(
    async ([account, password]) => {
      const session = await t.open('server', 'telnet');
      const stream = await session.telnet(0, { cols: 99, rows: 33 });
      const writer = stream.writable.getWriter();
      const type = (text) => writer.write(new TextEncoder().encode(text));
      let shown = await t.readText(stream, (text) => /login: *$/i.test(text));
      await type(`${account}\r`);
      shown += await t.readText(stream, (text) => /password: *$/i.test(text));
      await type(`${password}\r`);
      // What is typed before the shell is there, login throws away.
      shown += await t.readText(stream, (text) => /\$ $/.test(text));
      await type("stty size; echo $TERM; echo DO'NE'\r");
      shown += await t.readText(stream, (text) => text.includes('DONE'));
      stream.resize(120, 40);
      await type("while [ \"$(stty size)\" = '33 99' ]; do sleep .1; done; stty size; echo MO'RE'\r");
      shown += await t.readText(stream, (text) => text.includes('MORE'));
      session.close();
      return shown;
    },
    [world.account, world.accountPassword],
  );
  assert.match(got, /33 99/);
  assert.match(got, /xterm-256color/);
  assert.match(got, /40 120/);
}

export async function a_refused_stream_is_an_error_with_a_sentence(world, page) {
  await signIn(world, page);
  const got = await page.evaluate(async () => {
    const session = await t.open('server', 'ssh');
    const error = await session.open('target', 9).catch((error) => error);
    session.close();
    const late = await session.open('target', 0).catch((error) => error);
    return { slug: error.slug, message: error.message, isError: error instanceof Error, late: late.message };
  });
  assert.equal(got.slug, 'target_unknown');
  assert.ok(got.isError && /^[A-Z].*\.$/.test(got.message), got.message);
  assert.ok(got.late.length > 0);
}

export async function a_key_is_good_for_one_session(world, page) {
  await signIn(world, page);
  const got = await page.evaluate(async () => {
    const [one, other] = await Promise.all([culvert.newEndKey(), culvert.newEndKey()]);
    const same = one.publicKey === other.publicKey;
    one.dispose();
    const error = await culvert.connect({ answer: {}, endKey: one }).catch((error) => error.message);
    other.dispose();
    return { same, error };
  });
  assert.equal(got.same, false);
  assert.match(got.error, /used/);
}

export async function signing_out_ends_the_session_within_two_seconds(world, page) {
  await signIn(world, page);
  const got = await page.evaluate(async () => {
    const session = await t.open('server', 'ssh');
    const stream = await session.open('target', 0);
    await t.readText(stream, (text) => text.includes('\n'));
    await t.ask('POST', '/api/v1/sign-out', {});
    const begun = performance.now();
    const end = await session.closed;
    const { slug } = await stream.closed;
    return { slug: end.slug, stream: slug, ms: performance.now() - begun };
  });
  assert.equal(got.slug, 'signed_out');
  assert.equal(got.stream, 'signed_out');
  assert.ok(got.ms < 2000, `${got.ms} ms`);
}

export async function another_origin_and_no_sign_in_get_no_link(world, page) {
  // Threat 5, with a real browser's own headers.
  const refused = () =>
    page.evaluate(async () => {
      const socket = new WebSocket('/link/browser', ['culvert.link.1', `culvert.nonce.${'a'.repeat(52)}`]);
      return new Promise((resolve) => {
        socket.onopen = () => resolve('opened');
        socket.onerror = () => resolve('refused');
      });
    });
  assert.equal(await refused(), 'refused');
  await signIn(world, page);
  assert.equal(await refused(), 'opened', 'the control');
  const origin = world.door.origin;
  world.door.origin = 'http://elsewhere.example';
  assert.equal(await refused(), 'refused');
  world.door.origin = origin;
}
