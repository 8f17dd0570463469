//! Releases of the boxes' system: let out ring by ring and stopped by their owner,
//! with real gateways that fetch them (P8; threat 11).

import assert from 'node:assert/strict';

import { colleague, ownersPage, site } from './colleague.mjs';
import { accessible, api, ask, fits, visit } from './world.mjs';

/** A box at a place of its own; releases are healthy there or are left again. */
async function box(page, name, what) {
  const place = await site(page, name, []);
  const { code } = (await api(page, 'POST', '/api/v1/claims', { site: place.id })).body;
  await ask('claim-box', code, what);
  await visit(page, `/sites/${place.id}`);
  await page.locator('dl.facts').getByText('lab-board, version 1').waitFor();
  return place;
}

const line = (page, name) => page.locator('section[aria-label="Releases for lab-board"] li', { hasText: name });
const lagging = (page, place) => page.locator('section[aria-label="Boxes that lag"] li', { hasText: place });

async function promote(page, name, ring) {
  await line(page, name).locator('button:has-text("Promote")').click();
  await page.locator(`dialog[open] label:has-text("Ring ${ring}") input`).check();
  await accessible(page, 'promote');
  await page.click(`dialog[open] button:has-text("Promote to ring ${ring}")`);
  await page.waitForSelector(`[role=status]:has-text("goes to ring ${ring}")`);
}

export async function an_owner_lets_releases_out_ring_by_ring_and_stops_them(world, browser) {
  const page = await ownersPage(world, browser);
  await box(page, 'Sound', 'healthy');
  await page.selectOption('select[aria-label="Ring of this box"]', 'first');
  await page.waitForSelector('[role=status]:has-text("The box is in ring first")');
  const frail = await box(page, 'Frail', 'frail');

  await visit(page, '/releases');
  await page.waitForSelector('h2:has-text("No releases yet")');
  await page.waitForSelector('text=2 boxes run on this board, and no release was published for it');
  await ask('publish', '2');
  await line(page, '0.2.0').getByText('published, not out').waitFor();

  // One ring, and only that one.
  await promote(page, '0.2.0', 'first');
  await line(page, '0.2.0').getByText('1 of 1 box').waitFor();
  assert.match(await line(page, '0.2.0').innerText(), /out to ring first/);
  await page.waitForSelector('text=Every box has what its ring may have');

  // It goes wrong in the next: it stops by itself, and the page says where and why.
  await promote(page, '0.2.0', 'all');
  await lagging(page, 'Frail').getByText('Installed; it restarts when no session runs').waitFor();
  await ask('fall-back', '2');
  await line(page, '0.2.0').getByText('Stopped: 1 of the 1 boxes of ring all did not come back with it').waitFor();
  await line(page, '0.2.0').getByText('1 failed').waitFor();
  await lagging(page, 'Frail').getByText('went back to version 1 by itself').waitFor();
  assert.equal(await line(page, '0.2.0').locator('button').count(), 0);
  await accessible(page, 'a stopped release');
  await fits(page, 'a stopped release');
  await lagging(page, 'Frail').locator('a').first().click();
  await page.locator('dl.facts').getByText('version 2: failed').waitFor();
  assert.ok(page.url().endsWith(frail.id));

  // The stop switch.
  await ask('publish', '3');
  await visit(page, '/releases');
  await promote(page, '0.3.0', 'first');
  await line(page, '0.3.0').locator('button:has-text("Stop")').click();
  await page.click('dialog[open] button:has-text("Stop release")');
  await line(page, '0.3.0').getByText('Stopped by hand').waitFor();
  const { rows } = (await api(page, 'GET', '/api/v1/audit?limit=500')).body;
  for (const action of ['release.ring', 'release.promote', 'release.halt']) assert.ok(rows.some((row) => row.action === action && row.actor_name === world.owner.name), `${action} is not in the audit trail`);

  // Nobody else sees or does any of it; the box's ring and system she reads.
  const nina = await colleague(world, browser, page);
  await visit(nina.page, `/sites/${frail.id}`);
  await nina.page.locator('dl.facts').getByText('lab-board, version 1').waitFor();
  assert.equal(await nina.page.locator('select').count(), 0);
  assert.equal(await nina.page.locator('nav[aria-label=Culvert] a[href="/releases"]').count(), 0);
  assert.equal((await api(nina.page, 'GET', '/api/v1/releases')).status, 403);
  assert.equal((await api(nina.page, 'POST', '/api/v1/releases/lab-board/2/halt')).status, 403);
  assert.deepEqual([...page.faults, ...nina.page.faults], []);
}
