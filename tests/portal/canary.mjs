//! A browser's session at work with secrets: typed in a shell, put into a
//! desktop's clipboard, a password kept for a host. While all of it is open, the
//! test beside searches (trust rows 13, 26 and 36; S14, S22).

import assert from 'node:assert/strict';
import { constants, deflateSync } from 'node:zlib';

import { launch } from './secure.mjs';
import { suite } from './suite.mjs';
import { ownersPage } from './colleague.mjs';
import { api, ask, intoShell, need, palette, reads, shown, typed } from './world.mjs';

async function keep(page, world) {
  const tree = (await api(page, 'GET', '/api/v1/tree')).body;
  const host = tree.customers.flatMap((c) => c.sites).flatMap((s) => s.hosts).find((h) => h.name === 'server');
  await page.goto(`${world.url}/h/${host.id}`);
  await page.locator('section.card:has(h2:text-is("Saved sign-in")) button:has-text("Save")').click();
  await page.fill('#credential label:has-text("Account") input', world.account.name);
  await page.fill('#credential input[type=password]', world.account.password);
  await page.click('button:has-text("Encrypt and save")');
  await page.locator('section.card:has(h2:text-is("Saved sign-in"))').getByText(world.account.name).waitFor();
}

/** A text as VNC's extended clipboard sends it. */
function packed(text) {
  const body = Buffer.from(`${text}\0`);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return deflateSync(Buffer.concat([length, body]), { finishFlush: constants.Z_FULL_FLUSH });
}

await suite({
  async what_a_browser_types_pastes_and_keeps_is_at_the_box_and_nowhere_at_the_server(world, browser) {
    const page = await ownersPage(world, browser);
    // The password, typed into a session; then kept.
    await palette(page, 'harb server');
    await intoShell(page, world.account);
    await typed(page, 'exit\r');
    await page.waitForSelector(`${shown} [role=alert]`);
    await keep(page, world);
    await palette(page, 'harb server');
    await page.waitForFunction((at) => /[$#] *$/m.test(document.querySelector(`${at} .xterm-rows`)?.innerText.trimEnd() ?? ''), shown);
    await typed(page, `: ${need('CULVERT_TYPED')}; echo kept-$((6*7))\r`);
    await reads(page, /kept-42/);
    // The shell writes the line once more, in one piece.
    await page.keyboard.press('ArrowUp');
    await reads(page, new RegExp(`kept-42[^]*${need('CULVERT_TYPED')}`));
    await ask('typed');

    await palette(page, 'harb desk');
    const question = page.locator(`${shown} [role=dialog]`);
    await question.locator('input[type=password]').fill(world.vncPassword);
    await question.locator('button:has-text("Continue")').click();
    await page.waitForFunction((at) => document.querySelector(`${at} canvas`)?.width > 100, shown);
    await page.click(`${shown} [aria-label="Clipboard"]`);
    await page.locator(`${shown} .clip textarea`).nth(1).fill(need('CULVERT_PASTED'));
    await ask('notepad');
    // The box passes it on and keeps nothing: again and again, until it is seen on its way.
    let seen = false;
    const control = ask('pasted', packed(need('CULVERT_PASTED')).toString('hex')).finally(() => { seen = true; });
    while (!seen) {
      await page.click(`${shown} button:has-text("Put in its clipboard")`);
      await page.locator(`${shown} canvas`).focus();
      await page.keyboard.press('Shift+Insert');
      await page.keyboard.press('Enter');
      await page.waitForTimeout(50);
    }
    await control;
    assert.equal(await page.locator('.tab .tag:has-text("ended")').count(), 0);
    await ask('search');
    // Both sessions were open all the time.
    assert.equal((await api(page, 'GET', '/api/v1/sessions?state=live')).body.sessions.filter((s) => s.user.name === world.owner.name).length, 2);
    assert.deepEqual(page.faults, []);
  },
}, launch);
