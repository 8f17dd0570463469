//! What happens elsewhere shows without a reload: a box that drops and comes back
//! (S21).

import assert from 'node:assert/strict';

import { accessible, open, please, signIn } from './world.mjs';

export async function a_box_that_drops_shows_in_the_tree_without_a_reload(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await page.evaluate(() => { window.unreloaded = true; });
  const site = page.locator('[role=row].site', { hasText: 'Pump station' });
  const host = page.locator('[role=row].host', { hasText: 'desktop' }).first();
  await site.locator('.online.on').waitFor();
  await please('stop the box');
  try {
    await site.locator('.online.off').waitFor({ timeout: 60_000 });
    assert.match(await site.innerText(), /Offline, seen now/);
    assert.equal(await host.locator('button:has-text("VNC")').isDisabled(), true);
    await page.waitForSelector('aside[aria-label="At hand"] :text("Pump station")');
    await accessible(page, 'a box is off');
  } finally {
    await please('start the box');
  }
  await site.locator('.online.on').waitFor({ timeout: 60_000 });
  assert.equal(await host.locator('button:has-text("VNC")').isDisabled(), false);
  assert.equal(await page.evaluate(() => window.unreloaded), true);
}
