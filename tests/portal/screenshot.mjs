//! Makes docs/portal.png: a real live session in the portal. `./demo`, then
//! CULVERT_… as tests/e2e/src/portal.rs sets them: `node screenshot.mjs FILE`.

import { launch, open, reads, signIn, typed, world } from './world.mjs';

const place = world();
const browser = await launch();
try {
  const page = await open(browser, { colorScheme: 'light' });
  await signIn(place, page);
  await page.fill('[data-filter]', 'harb');
  await page.locator('[role=row]:has-text("Telnet") button:has-text("Telnet")').first().click();
  await reads(page, /login:/);
  await typed(page, `${place.account.name}\r`);
  await reads(page, /assword:/);
  await typed(page, `${place.account.password}\r`);
  await reads(page, /[$#] *$/m);
  await typed(page, 'clear; head -3 /etc/os-release; ip -br -4 address; ss -ltn | head -6; echo done-$((1+1))\r');
  await reads(page, /done-2/);
  await page.waitForSelector('.stage.shown .path:has-text("Relay")');
  await page.waitForTimeout(1500);
  await page.screenshot({ path: process.argv[2] ?? 'portal.png' });
} finally {
  await browser.close();
}
