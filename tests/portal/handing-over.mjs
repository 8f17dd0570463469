//! From the browser to `culvert` and back: its sign-in, the one-time link of a
//! native program, a web device (D13; S12, S18, S34; trust row 31).

import assert from 'node:assert/strict';

import { colleague, ownersPage } from './colleague.mjs';
import { accessibleInBothThemes, api, ask, open, shown } from './world.mjs';

const host = async (page, name) => {
  const tree = (await api(page, 'GET', '/api/v1/tree')).body;
  return tree.customers.flatMap((c) => c.sites).flatMap((s) => s.hosts).find((h) => h.name === name).id;
};

/** `culvert login` on somebody's computer, approved on her page. */
async function login(page, world, home) {
  const code = await ask('login', home);
  await page.goto(`${world.url}/hand-over`);
  await page.fill('input.code', code);
  await page.click('button:has-text("Continue")');
  await page.waitForSelector('text=asks to sign in as');
  await page.click('button:has-text("Approve")');
  await page.waitForSelector('[role=status]:has-text("is signed in as")');
  return ask('logged-in', home);
}

export async function what_the_server_has_of_culvert_can_be_fetched_and_only_that(world, browser) {
  const first = await ownersPage(world, browser);
  const name = 'culvert-linux-x86_64';
  // A tab for each: the browser itself asks about the link, once.
  const started = async () => {
    const page = await first.context().newPage();
    page.setDefaultTimeout(45_000);
    await page.goto(`${world.url}/h/${await host(first, 'desktop')}`);
    await page.click('section[aria-label=Open] button:has-text("RDP")');
    await page.waitForSelector(`${shown} :text("Nothing answered")`);
    return page;
  };
  let page = await started();
  assert.match(await page.locator(`${shown} .native`).innerText(), /your administrator has it/);
  assert.equal(await page.locator(`${shown} a[download]`).count(), 0);
  const bytes = await ask('offer', name);
  page = await started();
  const links = page.locator(`${shown} [aria-label="Get culvert"] a[download]`);
  await links.first().waitFor();
  assert.equal(await links.count(), 1);
  assert.match(await links.innerText(), /Linux.*Intel and AMD/s);
  const sum = await page.locator(`${shown} [aria-label="Get culvert"] code[title]`).getAttribute('title');
  await accessibleInBothThemes(page, 'culvert to be fetched');
  assert.equal(await links.getAttribute('download'), name);
  // By a page whose browser does not wait for an answer about the link.
  const fetched = (who, path) => who.evaluate(async (from) => {
    const answer = await fetch(from);
    const body = await answer.arrayBuffer();
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
    return [answer.status, answer.headers.get('content-disposition'), body.byteLength, Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')];
  }, path);
  assert.deepEqual(await fetched(first, await links.getAttribute('href')), [200, 'attachment', bytes, sum]);
  // Nobody without a sign-in, and no other file.
  const stranger = await open(browser);
  await stranger.goto(`${world.url}/sign-in`);
  for (const [who, path, status] of [[stranger, name, 401], [first, 'prs.toml', 404], [first, '..%2fprs.toml', 404]]) assert.equal((await fetched(who, `/api/v1/downloads/${path}`))[0], status, path);
  assert.deepEqual(first.faults, []);
}

/** The portal's button; nothing answers the link here, and the page says what to do. */
async function button(page, world, name, protocol) {
  await page.goto(`${world.url}/h/${await host(page, name)}`);
  const launched = page.waitForResponse((r) => r.url().endsWith('/api/v1/launches'));
  const asked = [];
  page.on('request', (r) => asked.push(new URL(r.url()).origin));
  // One click, and no other.
  await page.click(`section[aria-label=Open] button:has-text("${protocol}")`);
  const { url } = await (await launched).json();
  assert.match(url, /^culvert:\/\/open\/[a-z2-7]{52}$/);
  await page.waitForSelector(`${shown} :text("Nothing answered")`);
  // What to do instead: a command to copy, and the link for the program itself.
  assert.match(await page.locator(`${shown} .native .cmd`).innerText(), /^culvert (rdp desktop|web device)/);
  await page.waitForSelector(`${shown} .native button:has-text("Copy command")`);
  assert.match(await page.locator(`${shown} .native`).innerText(), /culvert open --register/);
  // The portal never polls a loopback port.
  const elsewhere = asked.filter((origin) => ![new URL(world.url).origin, 'null'].includes(origin));
  assert.deepEqual(elsewhere, []);
  return url;
}

export async function culvert_signs_in_through_the_browser_and_a_link_opens_once_for_its_owner(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await colleague(world, browser, owner);
  const olga = await colleague(world, browser, owner);
  assert.match(await login(nina.page, world, 'nina'), new RegExp(nina.name));
  assert.match(await login(olga.page, world, 'olga'), new RegExp(olga.name));
  // A code works once, and a guess is none.
  await nina.page.goto(`${world.url}/hand-over`);
  await nina.page.fill('input.code', 'AAAA-AAAA');
  await nina.page.click('button:has-text("Continue")');
  assert.match(await nina.page.locator('[role=alert]').innerText(), /no program waits with this code/i);

  const url = await button(nina.page, world, 'desktop', 'RDP');
  // Somebody else's computer opens nothing with it, and does not use it up.
  await assert.rejects(ask('open', 'olga', url), /ticket/);
  await assert.rejects(ask('open', 'stranger', url), /culvert login/);
  assert.match(await ask('open', 'nina', url), /^127\.[0-9.]+:\d+$/);
  await assert.rejects(ask('open', 'nina', url), /ticket/);
  const late = (await api(nina.page, 'POST', '/api/v1/launches', { host: await host(nina.page, 'desktop'), protocol: 'rdp' })).body.url;
  await ask('expire-launches');
  await assert.rejects(ask('open', 'nina', late), /ticket/);
  assert.deepEqual(nina.page.faults, []);
}

export async function a_web_devices_button_opens_it_unchanged_in_a_browser_of_its_own(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await colleague(world, browser, owner);
  await login(nina.page, world, 'web');
  const url = await button(nina.page, world, 'device', 'Web 80');
  const proxy = await ask('web', 'web', url);
  assert.match(proxy, /^socks5:\/\/127\./);
}
