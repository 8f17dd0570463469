//! The browser and the words that the portal's tests share, and the way back:
//! what only the test beside can do is asked of it. The test makes the world and
//! says where it is (tests/e2e/src/portal.rs).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const AXE = readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: the tests in tests/e2e set it`);
  return value;
}

const person = (which) => ({ name: need(`CULVERT_${which}`), password: need(`CULVERT_${which}_PASSWORD`) });

export const world = () => ({
  url: need('CULVERT_URL'), owner: person('OWNER'), technician: person('TECHNICIAN'), account: person('ACCOUNT'), vncPassword: need('CULVERT_VNC_PASSWORD'),
});

let answers = null;

/** Asks the test beside; words without spaces. */
export async function ask(...words) {
  answers ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  console.log(`? ${words.join(' ')}`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`nobody answers: ${words[0]}`);
  if (value.startsWith('! ')) throw new Error(`${words[0]}: ${value.slice(2)}`);
  return JSON.parse(value);
}

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: ['--headless=new', '--no-sandbox'] });

/** A window of its own, with everything the page complains about. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, permissions: ['clipboard-read', 'clipboard-write'], ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  page.faults = [];
  page.asked = new Set();
  // The stream of events never ends, and of the worker that tabs share a page hears only the beginning.
  const endless = /\/api\/v1\/events$|\/assets\/shared-[^/]*$/;
  page.on('request', (r) => { if (/\/(api|assets)\//.test(r.url()) && !endless.test(r.url())) page.asked.add(r); });
  for (const over of ['requestfinished', 'requestfailed']) page.on(over, (r) => page.asked.delete(r));
  page.on('pageerror', (error) => page.faults.push(error.message));
  page.on('console', (line) => { if (/Content Security Policy|violates/.test(line.text())) page.faults.push(line.text()); });
  return page;
}

/** Closes windows; an answer that a test is about to give one of them in the server's place is nobody's any more. */
export async function shut(context) {
  for (const page of context.pages()) await page.unrouteAll({ behavior: 'ignoreErrors' });
  await context.close();
}

export async function signIn(world, page, who = world.owner) {
  await page.goto(`${world.url}/`);
  await page.fill('input[name=username]', who.name);
  await page.fill('input[name=password]', who.password);
  await page.click('button:has-text("Sign in with password")');
  // On a phone the navigation is there, behind the menu.
  await page.waitForSelector('nav[aria-label=Culvert]', { state: 'attached' });
  await page.waitForSelector('[role=treegrid], .empty');
}

/** Another page of the portal without a new load, as a click on a link does; waits until it has what it asked for. */
export async function visit(page, path) {
  await page.evaluate((to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }, path);
  await page.waitForSelector('h1, .empty h2');
  await settled(page);
}

/** What a phone's camera reads from a QR code of the page. */
export async function scanned(code) {
  const picture = await code.screenshot();
  return execFileSync('zbarimg', ['--quiet', '--raw', '--nodbus', '-'], { input: picture, encoding: 'utf8' }).trim();
}

/** Nothing is asked of the server any more, and what came is drawn. */
export async function settled(page) {
  for (let quiet = 0; quiet < 3;) {
    await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 20)); }));
    quiet = page.asked.size === 0 ? quiet + 1 : 0;
  }
}

/** Ctrl-K, some letters, Enter. */
export async function palette(page, letters) {
  await page.keyboard.press('Control+k');
  await page.waitForSelector('dialog[open] input[role=combobox]');
  await page.keyboard.type(letters);
  await page.waitForSelector('dialog[open] [role=option][aria-selected=true]');
  await page.keyboard.press('Enter');
}

/** The same, for what can be done in the session that is shown. */
export async function tool(page, letters) {
  await page.keyboard.press('Control+k');
  await page.waitForSelector('dialog[open] input[role=combobox]');
  await page.keyboard.type(letters);
  await page.locator('dialog[open] [role=option][aria-selected=true]', { hasText: 'this session' }).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('dialog[open] input[role=combobox]').waitFor({ state: 'detached' });
}

/** The session that is shown. */
export const shown = '.stage.shown';

/** Answers what an SSH host asks, until its prompt is there. */
export async function intoShell(page, account) {
  const ask = page.locator(`${shown} [role=dialog]`);
  const rows = page.locator(`${shown} .xterm-rows`);
  for (let turn = 0; turn < 8; turn += 1) {
    await page.waitForFunction((at) => {
      const stage = document.querySelector(at);
      return stage?.querySelector('[role=dialog]') || /[$#] *$/m.test(stage?.querySelector('.xterm-rows')?.innerText.trimEnd() ?? '') || stage?.querySelector('[role=alert]');
    }, shown);
    if (!(await ask.count())) break;
    const title = await ask.locator('h2').innerText();
    if (/First time/.test(title)) await ask.locator('button:has-text("Trust and remember")').click();
    else {
      const field = ask.locator('input').first();
      await field.fill((await field.getAttribute('type')) === 'password' ? account.password : account.name);
      await ask.locator('button:has-text("Continue")').click();
    }
    await page.waitForFunction(([at, was]) => document.querySelector(`${at} [role=dialog] h2`)?.textContent !== was || !document.querySelector(`${at} [role=dialog]`), [shown, title]);
  }
  assert.equal(await page.locator(`${shown} [role=alert]`).count(), 0, await page.locator(shown).innerText());
  return rows;
}

/** A Telnet host's shell. */
export async function telnet(world, page, letters) {
  await page.fill('[data-filter]', letters);
  await page.locator('[role=row]:has-text("Telnet") button:has-text("Telnet")').first().click();
  await reads(page, /login:/);
  await typed(page, `${world.account.name}\r`);
  await reads(page, /assword:/);
  await typed(page, `${world.account.password}\r`);
  await reads(page, /[$#] *$/m);
}

/** A desktop by VNC, with its picture there. */
export async function desktop(world, page, letters) {
  await palette(page, letters);
  await intoDesktop(world, page);
}

/** Answers the desktop's question, and waits for its picture. */
export async function intoDesktop(world, page) {
  const ask = page.locator(`${shown} [role=dialog]`);
  await ask.locator('input[type=password]').waitFor();
  await ask.locator('input[type=password]').fill(world.vncPassword);
  await ask.locator('button:has-text("Continue")').click();
  await page.waitForFunction((at) => {
    const canvas = document.querySelector(`${at} canvas`);
    return canvas && canvas.width > 100 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((v, i) => i % 4 !== 3 && v > 20);
  }, shown);
}

export async function typed(page, text) {
  await page.locator(`${shown} .xterm-helper-textarea`).focus();
  await page.keyboard.type(text);
}

/** Waits for text in the terminal that is shown, and gives all of it. */
export async function reads(page, pattern) {
  await page.waitForFunction(([at, source, flags]) => new RegExp(source, flags).test(document.querySelector(`${at} .xterm-rows`)?.innerText.replaceAll('\u00a0', ' ') ?? ''), [shown, pattern.source, pattern.flags]);
  return page.locator(`${shown} .xterm-rows`).innerText();
}

/** A number for what the desktop's window shows: its upper left part; the task bar's clock goes by itself. */
export const picture = (page) => page.evaluate((at) => {
  const canvas = document.querySelector(`${at} canvas`);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width >> 1, canvas.height >> 1);
  let hash = 0;
  for (let i = 0; i < data.length; i += 4) hash = (Math.imul(hash, 31) + data[i] + data[i + 1] * 3 + data[i + 2] * 7) | 0;
  return hash;
}, shown);

/** axe-core over the page; says what it found. */
export async function accessible(page, name) {
  // It stays until the page is loaded anew.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  const { violations } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] }), TAGS);
  assert.deepEqual(violations.map((v) => `${name}: ${v.id}: ${v.nodes.slice(0, 2).map((n) => n.html.slice(0, 120)).join(' | ')}`), []);
}

/** In the light and in the dark; nothing is judged half way between them. */
export async function accessibleInBothThemes(page, what) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    // At its end at once: a window that draws nothing just now would not get there.
    await page.evaluate(() => { for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish(); });
    await accessible(page, `${what} ${colorScheme}`);
  }
}

/** Nothing sticks out at the side. */
export async function fits(page, name) {
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true, `${name} is wider than the window`);
}

/** Chooses a password on an invitation's page. */
export async function choosesPassword(page, password) {
  for (const label of ['Password', 'Once more']) await page.locator('label.field', { hasText: label }).locator('input').fill(password);
  await page.click('button:has-text("Begin")');
}

/** Does what closes a window, which may be gone before it says that this was done. */
export const closes = (popup, deed) => Promise.all([popup.waitForEvent('close'), deed().catch(() => {})]);

/** Signed-in `fetch` in the page. */
export const api = (page, method, path, body) => page.evaluate(async ([m, p, b]) => {
  const answer = await fetch(p, { method: m, headers: { 'content-type': 'application/json' }, ...(b === undefined || b === null ? {} : { body: JSON.stringify(b) }) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}, [method, path, body]);

/** Waits until the tree has a host; of a tree that other tests make longer only what is in sight is drawn. */
async function inTree(page, name) {
  await page.fill('[data-filter]', name);
  await page.locator('[role=row].host', { hasText: name }).waitFor();
  await page.fill('[data-filter]', '');
}

let made = 0;

/** Works on a host of the first customer's that nobody else has, and takes it away again. */
export async function onHost(page, services, work, address = '192.168.77.10') {
  const name = `odd${Date.now() % 100_000}${(made += 1)}`;
  const site = harbour((await api(page, 'GET', '/api/v1/tree')).body).sites[0];
  const { status, body } = await api(page, 'POST', `/api/v1/sites/${site.id}/hosts`, { name, address, services });
  assert.equal(status, 201, JSON.stringify(body));
  try {
    await inTree(page, name);
    await work({ name, id: body.id });
  } finally {
    await api(page, 'DELETE', `/api/v1/hosts/${body.id}`);
  }
}

/** A customer goes, with everything of hers: what is there others count. */
export async function gone(page, id) {
  const customer = (await api(page, 'GET', '/api/v1/tree')).body.customers.find((c) => c.id === id);
  for (const site of customer.sites) {
    for (const host of site.hosts) await api(page, 'DELETE', `/api/v1/hosts/${host.id}`);
    await api(page, 'DELETE', `/api/v1/sites/${site.id}`);
  }
  assert.equal((await api(page, 'DELETE', `/api/v1/customers/${id}`)).status, 204);
}

/** The customer of the tree that every test may work at: what is there nobody changes. */
export const harbour = (tree) => tree.customers.find((customer) => customer.name === 'Harbour');

/** The tab of the session that is shown, in the strip. */
export const tabOf = (page, name) => page.locator('nav[aria-label="Open sessions"] .tab', { hasText: name });
