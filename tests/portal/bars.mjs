//! Several sessions side by side: what their bars and tabs say, and a window of
//! its own for one of them (S20, S23, S24).

import assert from 'node:assert/strict';

import { accessible, fits, intoShell, open, palette, reads, shown, signIn, tabOf, typed } from './world.mjs';

export async function a_bar_shows_path_round_trip_loss_and_why(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  const path = page.locator(`${shown} .path`);
  await page.waitForSelector(`${shown} .path:has-text("Relay")`);
  // In the bar itself: kind, round trip and loss.
  assert.match(await path.innerText(), /Relay\s+[\d.]+ ms\s+[\d.]+ % lost/);
  await path.click();
  const facts = page.locator(`${shown} .pop`);
  await facts.waitFor();
  const said = await facts.innerText();
  for (const word of [/Round trip\s+[\d.]+ ms/, /Lost\s+[\d.]+ %/, /Packet size\s+\d+ bytes/, /Why\s+\S+/]) assert.match(said, word);
  assert.match(said, /relay/i);
  // Not a word for every session: this server is named, and what it can do.
  assert.ok(said.includes(new URL(world.url).host) && /cannot read/.test(said), said);
  await accessible(page, 'path');
}

export async function a_bell_and_an_end_mark_the_tab(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await palette(page, 'lind prac');
  await intoShell(page, world.account);
  const [one, other] = [tabOf(page, 'server').first(), tabOf(page, 'practice server')];
  // Each stays marked until it is looked at; the window's title says so, too. It rings until nobody looks.
  await typed(page, "while sleep 1; do printf '\\a'; done\r");
  await one.locator('a').click();
  await other.locator('.ring').waitFor();
  assert.match(await page.title(), /^🔔 server – Harbour/);
  await other.locator('a').click();
  await other.locator('.ring').waitFor({ state: 'detached' });
  await page.locator(`${shown} .xterm-helper-textarea`).press('Control+c');
  await typed(page, 'sleep 1; exit 3\r');
  await one.locator('a').click();
  await other.locator('.tag:has-text("ended")').waitFor();
  assert.match(await other.locator('a').getAttribute('title'), /ended/);
  await accessible(page, 'marked tabs');
  await other.locator('a').click();
  await page.waitForSelector(`${shown} [role=alert]:has-text("status 3")`);
}

export async function each_customer_has_a_colour_of_its_own(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const looks = new Map();
  for (const [letters, host, customer] of [['harb serv', 'server', 'Harbour'], ['lind prac', 'practice server', 'Lindgren Dental'], ['okaf scan', 'scanner hub', 'Okafor Logistics']]) {
    await palette(page, letters);
    await intoShell(page, world.account);
    const bar = page.locator(`${shown} header.bar`);
    // Always named, in the bar and in the window's title; never by colour alone.
    for (const word of [customer, host]) assert.ok((await bar.innerText()).includes(word), `${word} is not in the bar`);
    assert.equal(await page.title(), `${host} – ${customer} – Culvert`);
    looks.set(customer, await bar.evaluate((node) => getComputedStyle(node).borderTopColor));
  }
  assert.equal(new Set(looks.values()).size, 3, JSON.stringify([...looks]));
}

export async function a_popped_out_terminal_goes_on_in_a_window_of_its_own(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'moved=here-$((6*7)); echo set-$moved\r');
  await reads(page, /set-here-42/);
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.click(`${shown} [aria-label^="Pop out"]`)]);
  popup.setDefaultTimeout(45_000);
  await page.locator('nav[aria-label="Open sessions"]').waitFor({ state: 'detached' });
  // What stood there is shown again, and the same shell goes on.
  await reads(popup, /set-here-42/);
  await typed(popup, 'echo still-$moved\r');
  await reads(popup, /still-here-42/);
  assert.match(await popup.title(), /server – Harbour/);
  assert.equal(await popup.locator('nav[aria-label=Culvert]').count(), 0);
  await accessible(popup, 'popped out');
  await fits(popup, 'popped out');
}
