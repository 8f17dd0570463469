//! Sessions that outlive their page: what goes on after a reload and in a window
//! of its own, what is dialled again, and that an end is an end (P12, S20, S31,
//! decision 0045).

import assert from 'node:assert/strict';

import { api, closes, desktop, intoShell, open, palette, picture, reads, shown, signIn, telnet, typed } from './world.mjs';

/** Loads the page anew, as F5 does, and takes up the session that it offers. */
async function again(page, name) {
  const leave = (d) => void d.accept();
  page.on('dialog', leave);
  await page.reload();
  page.off('dialog', leave);
  const offer = page.locator('section[aria-label="Sessions to pick up"] button', { hasText: name });
  await offer.waitFor();
  const said = await offer.innerText();
  await offer.click();
  await page.waitForSelector(shown);
  return said;
}

const count = (text, word) => text.split(word).length - 1;

export async function telnet_goes_on_after_a_reload_and_in_a_window_of_its_own(world, browser) {
  const page = await open(browser, { viewport: { width: 1280, height: 720 } });
  await signIn(world, page);
  await telnet(world, page, 'harb');
  await typed(page, 'kept=here-$((6*7)); echo set-$kept; stty size\r');
  const [, rows, columns] = /set-here-42\s+(\d+) (\d+)/.exec(await reads(page, /set-here-42\s+\d+ \d+/));
  // What stood there is shown again, once, and the same shell goes on.
  assert.doesNotMatch(await again(page, 'Telnet'), /anew/);
  await reads(page, /set-here-42/);
  await typed(page, 'echo still-$kept\r');
  const text = await reads(page, /still-here-42/);
  // The host echoes, and nobody else: options were agreed on before this page.
  assert.equal(count(text, 'echo still-$kept'), 1, text);
  assert.equal(count(text, 'login:'), 1, text);
  // The window's size is told to it when it is another.
  await page.setViewportSize({ width: 900, height: 600 });
  await typed(page, `while [ "$(stty size)" = '${rows} ${columns}' ]; do sleep .1; done; echo now; stty size\r`);
  const [, fewer, narrower] = /now\s+(\d+) (\d+)/.exec(await reads(page, /now\s+\d+ \d+/));
  assert.ok(Number(fewer) < Number(rows) && Number(narrower) < Number(columns), `${rows} ${columns} became ${fewer} ${narrower}`);

  const [popup] = await Promise.all([page.waitForEvent('popup'), page.click(`${shown} [aria-label^="Pop out"]`)]);
  popup.setDefaultTimeout(45_000);
  await reads(popup, /still-here-42/);
  await typed(popup, 'echo moved-$kept; echo pid=$$=\r');
  const pid = /pid=(\d+)=/.exec(await reads(popup, /moved-here-42[^]*pid=\d+=/))[1];
  // The end of the session is the end of the shell, at once and not after two minutes.
  await ends(world, page, pid, async () => {
    await popup.click(`${shown} header button:has-text("End")`);
    await closes(popup, () => popup.click(YES));
  });
  assert.deepEqual(page.faults, []);
}

/** What confirms the end of a session. */
const YES = 'dialog[open] button:has-text("End session")';

/** Ends it, and waits until that process is gone on the host, which another shell there tells. */
async function ends(world, page, pid, end) {
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, `while ps -o stat= -p ${pid} | grep -qv Z; do echo runs; sleep .2; done; echo over-$((6*7))\r`);
  await reads(page, /runs/);
  await end();
  await reads(page, /over-42/);
}

export async function an_ended_terminal_is_over_at_the_host(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'echo pid=$$=\r');
  const pid = /pid=(\d+)=/.exec(await reads(page, /pid=\d+=/))[1];
  const tab = page.locator('nav[aria-label="Open sessions"] .tab').first();
  await ends(world, page, pid, async () => {
    await tab.locator('button').last().click();
    await page.click(YES);
  });
  assert.deepEqual(page.faults, []);
}

export async function of_two_windows_that_are_offered_a_terminal_one_gets_it(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'kept=this; echo set-$((6*7))\r');
  await reads(page, /set-42/);
  const windows = [await page.context().newPage(), await page.context().newPage()];
  // As when its window dies: nobody is asked.
  await page.close();
  const offer = 'section[aria-label="Sessions to pick up"] button:has-text("SSH")';
  for (const window of windows) {
    window.setDefaultTimeout(45_000);
    await window.goto(`${world.url}/`);
  }
  await Promise.all(windows.map((window) => window.waitForSelector(offer)));
  // In the same moment; where the other one was quicker there is nothing to click on any more.
  await Promise.all(windows.map((window) => window.evaluate((at) => {
    [...document.querySelectorAll(`${at} button`)].find((button) => button.innerText.includes('SSH'))?.click();
  }, 'section[aria-label="Sessions to pick up"]')));
  await Promise.any(windows.map((window) => window.waitForSelector(shown)));
  await Promise.all(windows.map((window) => window.waitForSelector(offer, { state: 'detached' })));
  const has = await Promise.all(windows.map((window) => window.locator(shown).count()));
  assert.deepEqual(has.toSorted(), [0, 1]);
  const winner = windows[has.indexOf(1)];
  await reads(winner, /set-42/);
  await typed(winner, 'echo $kept-goes-on\r');
  await reads(winner, /this-goes-on/);
}

export async function a_desktop_is_dialled_again_and_a_new_window_takes_its_password_along(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const asked = [];
  page.context().on('response', (r) => { if (r.request().method() === 'POST' && r.url().endsWith('/api/v1/sessions')) void r.json().then((answer) => asked.push(answer.session), () => {}); });
  await desktop(world, page, 'harb desk');
  // Who only looks on does so in the new window, too.
  await page.click(`${shown} [aria-label="View only"]`);
  await page.click(`${shown} [aria-label^="Pop out"]`);
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.locator('dialog[open] button:has-text("Start anew")').click()]);
  popup.setDefaultTimeout(45_000);
  await popup.waitForFunction((at) => document.querySelector(`${at} canvas`)?.width > 100, shown);
  await picture(popup);
  assert.equal(await popup.locator(`${shown} [role=dialog]`).count(), 0, 'it asks again');
  await popup.locator(`${shown} .only`).waitFor();
  // Nothing of it is where a page could read it later.
  const stored = await popup.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes(world.vncPassword), 'the password was stored');
  await popup.click(`${shown} header button:has-text("End")`);
  await closes(popup, () => popup.click(YES));
  // The box was told by word, not by the silence of a window that is gone.
  const session = asked.at(-1);
  const of = async () => (await api(page, 'GET', '/api/v1/sessions')).body.sessions.find((s) => s.session === session);
  while (!(await of()).ended) await page.waitForTimeout(100);
  assert.equal((await of()).reason, 'closed_by_technician');

  await desktop(world, page, 'harb desk');
  await page.click(`${shown} [aria-label="View only"]`);
  assert.match(await again(page, 'VNC'), /anew/);
  await page.locator(`${shown} .only`).waitFor();
  await page.locator(`${shown} [role=dialog] input[type=password]`).waitFor();
}

export async function sessions_are_offered_also_when_the_tree_came_at_the_second_try(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'kept=late; echo set-$((6*7))\r');
  await reads(page, /set-42/);
  page.on('dialog', (d) => void d.accept());
  await page.route('**/api/v1/tree', (route) => route.fulfill({ status: 503, body: '' }));
  await page.reload();
  const said = page.locator('main [role=alert]');
  await said.waitFor();
  await page.unroute('**/api/v1/tree');
  await said.locator('button').click();
  await page.locator('section[aria-label="Sessions to pick up"] button', { hasText: 'server' }).first().click();
  await page.waitForSelector(shown);
  await typed(page, 'echo $kept-goes-on\r');
  await reads(page, /late-goes-on/);
  assert.deepEqual(page.faults, []);
}
