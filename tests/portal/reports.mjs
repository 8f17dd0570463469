//! Reports on the page and on paper: what they hold, and what they leave out
//! (S23; threat 18). And people in the search over everything.

import assert from 'node:assert/strict';

import { api, intoShell, open, palette, shown, signIn, typed, visit } from './world.mjs';

export async function paper_shows_the_report_and_says_what_it_leaves_out(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'exit\r');
  await page.waitForSelector(`${shown} [role=alert]`);
  await visit(page, '/reports');
  const table = page.locator('table.print-only');
  const inks = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ media: 'print', colorScheme });
    await table.waitFor();
    // Nothing of the program around it, every row, and ink on white.
    for (const gone of ['nav[aria-label=Culvert]', 'nav[aria-label="Open sessions"]', '.filters', '.window']) assert.equal(await page.locator(gone).first().isVisible(), false, gone);
    assert.match(await table.innerText(), new RegExp(`${world.owner.name}[^]*Harbour[^]*server[^]*SSH`));
    inks.push(await table.locator('td').first().evaluate((cell) => [getComputedStyle(cell).color, getComputedStyle(document.body).backgroundColor]));
  }
  assert.deepEqual(inks[0], inks[1], 'a dark page is not printed as a light one');
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });

  // As after years: more than paper takes, and more than one answer holds.
  await page.route('**/api/v1/reports/sessions?*', async (route) => {
    const answer = await route.fetch();
    const { sessions } = await answer.json();
    const many = Array.from({ length: 2_001 }, (_, n) => ({ ...sessions[0], session: `${n}`.padStart(26, 'a') }));
    await route.fulfill({ response: answer, json: { sessions: many, more: true } });
  });
  await visit(page, '/');
  await visit(page, '/reports');
  await page.locator('.note', { hasText: 'the newest 2,000 of 2,001' }).waitFor();
  await page.locator('.note', { hasText: 'more than 2,001 sessions' }).waitFor();
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.note').first().isVisible(), true, 'paper does not say it');
  assert.equal(await table.locator('tbody tr').count(), 2_000);
  assert.deepEqual(page.faults, []);
}

export async function people_are_found_by_ctrl_k(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const person = (await api(page, 'GET', '/api/v1/users')).body.users.find((u) => u.name === world.technician.name);
  await page.keyboard.press('Control+k');
  await page.keyboard.type(world.technician.name);
  const hit = page.locator('dialog[open] [role=option]', { hasText: `Person ${world.technician.name}` });
  await hit.waitFor();
  await hit.click();
  await page.waitForURL(`${world.url}/people/${person.id}`);
  // Who may not list people finds none, and nothing breaks.
  const other = await open(browser);
  await signIn(world, other, world.technician);
  await other.keyboard.press('Control+k');
  await other.keyboard.type(world.owner.name);
  await other.waitForTimeout(300);
  assert.equal(await other.locator('dialog[open] [role=option]', { hasText: 'Person' }).count(), 0);
  assert.deepEqual([...page.faults, ...other.faults], []);
}
