//! Desktops beyond the usual one: another way to be let in, keys that the browser
//! keeps, the whole screen, and looking on only (S19, S20, S31).

import assert from 'node:assert/strict';

import { ask, onHost, open, palette, shown, signIn } from './world.mjs';

export async function a_desktop_that_asks_nothing_takes_special_keys_fills_the_screen_and_is_only_looked_at(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await ask('bare-desktop');
  await onHost(page, [{ protocol: 'vnc', port: 5904 }], async ({ name }) => {
    await palette(page, name);
    // Security type None: no question, and a picture.
    await page.waitForFunction((at) => document.querySelector(`${at} canvas`)?.width > 100, shown);
    assert.equal(await page.locator(`${shown} [role=dialog]`).count(), 0);
    const canvas = page.locator(`${shown} canvas`);
    await canvas.hover();
    const panel = page.locator(`${shown} [aria-label="Special keys"][role=toolbar]`);
    await page.click(`${shown} button[aria-label="Special keys"]`);
    for (const label of ['Ctrl Alt Del', 'Win', 'Alt Tab', 'F5']) await panel.getByRole('button', { name: label, exact: true }).click();
    const seen = (await ask('keys', 'F5')).split(' ');
    for (const key of ['Control_L', 'Alt_L', 'Delete', 'Super_L', 'Tab', 'F5']) assert.ok(seen.includes(key), `${key} did not come: ${seen}`);
    await page.click(`${shown} button[aria-label="Special keys"]`);

    // Who only looks on types nothing; what comes after it does arrive.
    await page.click(`${shown} [aria-label="View only"]`);
    await page.locator(`${shown} .only`).waitFor();
    assert.equal(await page.locator(`${shown} button[aria-label="Special keys"]`).isDisabled(), true);
    await canvas.click();
    await page.keyboard.press('F9');
    await page.click(`${shown} [aria-label="View only"]`);
    await canvas.click();
    await page.keyboard.press('F8');
    const then = (await ask('keys', 'F8')).split(' ');
    assert.ok(!then.includes('F9'), `typed by one who only looks on: ${then}`);

    // The whole screen: whose desktop it is stays in sight, and the tools with it.
    await page.click(`${shown} [aria-label="Full screen"]`);
    await page.waitForFunction(() => document.fullscreenElement !== null);
    const bar = await page.evaluate(() => {
      const header = document.fullscreenElement.querySelector('header.bar');
      const { top, height } = header.getBoundingClientRect();
      return { text: header.innerText, seen: top >= 0 && height > 20 };
    });
    assert.ok(bar.seen && bar.text.includes('Harbour') && bar.text.includes(name), JSON.stringify(bar));
    await page.click(`${shown} [aria-label="Full screen"]`);
    await page.waitForFunction(() => document.fullscreenElement === null);
  }, '192.168.77.20');
  assert.deepEqual(page.faults, []);
}
