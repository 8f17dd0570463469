//! Real HTTPS and the real cookie; what other sites' pages can do with it (trust
//! rows 5 and 6; S9, S18).

import assert from 'node:assert/strict';

import { open, signIn } from './world.mjs';

export async function the_cookie_is_for_this_host_alone_over_tls_and_for_no_script(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  assert.equal(await page.evaluate(() => window.isSecureContext && location.protocol), 'https:');
  const cookies = await page.context().cookies();
  assert.equal(cookies.length, 1);
  const [{ name, secure, httpOnly, sameSite, path, domain, expires, value }] = cookies;
  assert.deepEqual({ name, secure, httpOnly, sameSite, path, domain }, { name: '__Host-culvert', secure: true, httpOnly: true, sameSite: 'Strict', path: '/', domain: new URL(world.url).hostname });
  assert.ok(expires - Date.now() / 1000 <= 12 * 3600 + 60, 'longer than a sign-in');
  // Neither a script nor a page's text has it.
  assert.equal(await page.evaluate(() => document.cookie), '');
  const seen = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML]));
  assert.ok(!seen.includes(value), 'the token is where a script reads it');
  assert.deepEqual(page.faults, []);
}

/** What a page learns of a WebSocket to the portal: opened, or not. */
const socket = (page, url) => page.evaluate((to) => new Promise((resolve) => {
  const ws = new WebSocket(`${to.replace('https', 'wss')}/link/browser`, ['culvert.link.1', `culvert.nonce.${'a'.repeat(52)}`]);
  ws.onopen = () => { ws.close(); resolve('opened'); };
  ws.onerror = () => resolve('refused');
}), url);

export async function a_foreign_and_a_sibling_page_open_no_link_and_change_nothing(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const port = new URL(world.url).port;
  const others = [`https://www.evil.example:${port}`, `https://app.culvert.test:${port}`, `https://x.portal.culvert.test:${port}`];
  // The control: the same words on the portal's own page open one.
  assert.equal(await socket(page, world.url), 'opened');
  const other = await page.context().newPage();
  for (const origin of others) {
    await other.route(`${origin}/**`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>another</title>' }));
    await other.goto(`${origin}/`);
    assert.equal(await other.evaluate(() => location.origin), origin);
    assert.equal(await socket(other, world.url), 'refused', origin);
    // Signing out, and a click through a form, are changes too.
    await other.evaluate((to) => fetch(`${to}/api/v1/sign-out`, { method: 'POST', mode: 'no-cors', credentials: 'include' }).catch(() => {}), world.url);
    const answer = other.waitForResponse((r) => r.url() === `${world.url}/api/v1/sign-out` && r.request().isNavigationRequest());
    await other.evaluate((to) => { const form = document.createElement('form'); form.method = 'post'; form.action = `${to}/api/v1/sign-out`; document.body.append(form); form.submit(); }, world.url);
    assert.ok((await answer).status() >= 400, origin);
    await other.waitForURL(`${world.url}/api/v1/sign-out`);
  }
  await page.reload();
  await page.waitForSelector('nav[aria-label=Culvert]');
}
