//! Desktops beyond the usual one: another way to be let in, keys that the browser
//! keeps, the whole screen, and looking on only (S19, S20, S31).

import assert from 'node:assert/strict';

import { api, ask, onHost, open, palette, shown, signIn, tool } from './world.mjs';

export async function a_desktop_that_asks_nothing_takes_special_keys_fills_the_screen_and_is_only_looked_at(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await ask('bare-desktop');
  await onHost(page, [{ protocol: 'vnc', port: 5904 }], async ({ name }) => {
    const canvas = page.locator(`${shown} canvas`);
    const there = () => page.waitForFunction((at) => document.querySelector(`${at} canvas`)?.width > 100, shown);
    // Who wishes only to look on says so before it is there, and it stays so when it is opened again.
    let grant;
    const granted = new Promise((go) => { grant = go; });
    await page.route('**/api/v1/sessions', async (route) => { await granted; await route.continue(); });
    await palette(page, name);
    await page.click(`${shown} [aria-label="View only"]`);
    grant();
    await there();
    await canvas.click();
    await page.keyboard.press('F7');
    const mine = (await api(page, 'GET', '/api/v1/sessions?state=live')).body.sessions.find((s) => s.host.name === name);
    assert.equal((await api(page, 'DELETE', `/api/v1/sessions/${mine.session ?? mine.id}`)).status, 204);
    await page.locator(`${shown} [role=alert]`).waitFor();
    await page.click(`${shown} button:has-text("Open again")`);
    await there();
    await page.locator(`${shown} .only`).waitFor();
    await canvas.click();
    await page.keyboard.press('F7');
    await page.click(`${shown} [aria-label="View only"]`);
    await page.locator(`${shown} .only`).waitFor({ state: 'detached' });
    // At its own size it is wider than in a small window; fitted, it is as wide as there is room.
    const wide = async () => (await canvas.boundingBox()).width;
    await page.setViewportSize({ width: 800, height: 500 });
    await page.waitForFunction((at) => document.querySelector(`${at} canvas`).getBoundingClientRect().height < 480, shown);
    const fitted = await wide();
    await page.click(`${shown} [aria-label="Show at full size"]`);
    await page.waitForFunction(([at, was]) => document.querySelector(`${at} canvas`).getBoundingClientRect().width > was, [shown, fitted]);
    await page.click(`${shown} [aria-label="Fit to the window"]`);
    await page.waitForFunction(([at, was]) => Math.abs(document.querySelector(`${at} canvas`).getBoundingClientRect().width - was) < 2, [shown, fitted]);
    await page.setViewportSize({ width: 1280, height: 720 });
    // A text is typed as keys where a clipboard does not reach: a screen that asks for a password.
    await page.click(`${shown} [aria-label=Clipboard]`);
    await page.locator(`${shown} .clip textarea`).last().fill('Ab1\u00e9');
    await page.click(`${shown} button:has-text("Type it")`);
    const text = (await ask('keys', 'eacute')).split(' ');
    assert.deepEqual(text.filter((key) => ['A', 'b', '1', 'eacute'].includes(key)), ['A', 'b', '1', 'eacute']);
    assert.ok(!text.includes('F7'), `typed by one who only looks on: ${text}`);
    await page.click(`${shown} [aria-label=Clipboard]`);
    // Security type None: no question, and a picture.
    assert.equal(await page.locator(`${shown} [role=dialog]`).count(), 0);
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

    // All of it by keys alone: the desktop takes every key but Ctrl-K.
    const wins = async (until) => (await ask('keys', until)).split(' ').filter((key) => key === 'Super_L').length;
    await tool(page, 'send f12');
    const before = await wins('F12');
    await tool(page, 'special');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('F6');
    assert.equal(await wins('F6'), before + 1);
    await tool(page, 'special');
    await panel.waitFor({ state: 'detached' });
    await tool(page, 'clipboard');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('by hand');
    assert.equal(await page.locator(`${shown} .clip textarea`).last().inputValue(), 'by hand');
    await page.keyboard.press('Escape');
    await page.locator(`${shown} .clip`).waitFor({ state: 'detached' });
    await page.keyboard.press('F10');
    await ask('keys', 'F10');
    for (const there of ['attached', 'detached']) {
      await tool(page, 'view only');
      await page.locator(`${shown} .only`).waitFor({ state: there });
    }
    for (const there of [true, false]) {
      await tool(page, 'full screen');
      await page.waitForFunction((is) => (document.fullscreenElement !== null) === is, there);
    }

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
