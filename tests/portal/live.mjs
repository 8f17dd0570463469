//! What happens elsewhere shows without a reload: a box that drops, a server
//! that restarts (S21, P12).

import assert from 'node:assert/strict';

import { accessible, api, ask, desktop, intoDesktop, intoShell, open, palette, reads, shown, signIn, typed } from './world.mjs';

export async function a_box_that_drops_shows_in_the_tree_without_a_reload(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await page.evaluate(() => { window.unreloaded = true; });
  const site = page.locator('[role=row].site', { hasText: 'Pump station' });
  const host = page.locator('[role=row].host', { hasText: 'desktop' }).first();
  await site.locator('.online.on').waitFor();
  await ask('stop-box');
  try {
    await site.locator('.online.off').waitFor({ timeout: 60_000 });
    assert.match(await site.innerText(), /Offline, seen now/);
    assert.equal(await host.locator('button:has-text("VNC")').isDisabled(), true);
    await page.waitForSelector('aside[aria-label="At hand"] :text("Pump station")');
    await accessible(page, 'a box is off');
  } finally {
    await ask('start-box');
  }
  await site.locator('.online.on').waitFor({ timeout: 60_000 });
  assert.equal(await host.locator('button:has-text("VNC")').isDisabled(), false);
  assert.equal(await page.evaluate(() => window.unreloaded), true);
}

export async function a_silent_box_shows_within_a_minute(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const site = page.locator('[role=row].site', { hasText: 'Pump station' });
  await site.locator('.online.on').waitFor();
  // As with a cut cable: its connection stays, and nothing comes any more.
  await ask('silence-box');
  try {
    await site.locator('.online.off').waitFor({ timeout: 60_000 });
  } finally {
    await ask('wake-box');
  }
  await site.locator('.online.on').waitFor({ timeout: 60_000 });
  assert.deepEqual(page.faults, []);
}

export async function a_server_restarted_under_an_open_portal_loses_nothing(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'before=4711\r');
  await page.locator('nav[aria-label=Culvert] a[href="/"]').first().click();
  await page.evaluate(() => { window.unreloaded = true; });
  const lost = page.locator('[role=status]:has-text("The server does not answer")');
  await ask('stop-server');
  // The page says that it stands alone, and then that it does no more.
  await lost.waitFor();
  await ask('start-server');
  await lost.waitFor({ state: 'detached' });
  // The session goes on by itself …
  await page.locator('nav[aria-label="Open sessions"] a').first().click();
  await page.locator(`${shown} .over`).waitFor({ state: 'detached' });
  await typed(page, 'echo after-$before\r');
  await reads(page, /after-4711/);
  // … and what happens elsewhere reaches the page again.
  await page.locator('nav[aria-label=Culvert] a[href="/"]').first().click();
  const made = (await api(page, 'POST', '/api/v1/customers', { name: 'Made after the restart' })).body;
  await page.locator('[role=row].customer', { hasText: 'Made after the restart' }).waitFor();
  await api(page, 'DELETE', `/api/v1/customers/${made.id}`);
  await page.locator('[role=row].customer', { hasText: 'Made after the restart' }).waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => window.unreloaded), true);
}

/** The box is not back yet when the page is: what was offered stays so until it begins. */
export async function a_reload_after_a_server_restart_offers_the_same_terminal_and_desktop(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'kept=4712\r');
  await reads(page, /kept=4712/);
  await desktop(world, page, 'lind rece');
  page.on('dialog', (d) => void d.accept());
  await ask('stop-server');
  await ask('start-server');
  await page.reload();
  const offers = page.locator('section[aria-label="Sessions to pick up"]');
  const offered = (protocol) => offers.getByRole('button', { name: new RegExp(`· ${protocol}`) });
  await offered('VNC').waitFor();
  await offered('SSH').waitFor();
  while (await offered('VNC').count() > 0) {
    // At once: it may begin, and its offer go, while one waits to click.
    await offered('VNC').evaluateAll(([button]) => button?.click());
    await page.waitForTimeout(200);
  }
  await intoDesktop(world, page);
  await page.locator('nav[aria-label=Culvert] a[href="/"]').first().click();
  await page.locator('[role=row].site', { hasText: 'Pump station' }).locator('.online.on').waitFor({ timeout: 60_000 });
  await offered('SSH').click();
  await page.waitForSelector(`${shown} .xterm-rows`);
  await typed(page, 'echo still-$kept\r');
  await reads(page, /still-4712/);
  assert.deepEqual(page.faults, []);
}
