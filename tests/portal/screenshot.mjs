//! Makes docs/portal.png: a real live session in the portal. `./demo`, then
//! CULVERT_… as tests/e2e/tests/portal.rs sets them: `node screenshot.mjs FILE`.

import { intoShell, launch, open, palette, reads, signIn, typed, world } from './world.mjs';

const place = world();
const browser = await launch();
try {
  const page = await open(browser, { colorScheme: 'light' });
  await signIn(place, page);
  for (const letters of ['lind prac', 'okaf scan', 'harb serv']) {
    await palette(page, letters);
    await intoShell(page, place.account);
  }
  await typed(page, 'clear; uname -sr; ip -br address; who; df -h / | tail -1; echo done-$((1+1))\r');
  await reads(page, /done-2/);
  await page.waitForSelector('.stage.shown .path:has-text("Relay")');
  await page.waitForTimeout(1500);
  await page.screenshot({ path: process.argv[2] ?? 'portal.png' });
} finally {
  await browser.close();
}
