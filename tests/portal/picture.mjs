//! README's picture: real sessions in the portal, made anew in every run, so
//! that the script that makes it works. `CULVERT_PICTURE=FILE` keeps it:
//! CULVERT_ONLY=picture CULVERT_PICTURE=$PWD/docs/portal.png cargo test -p culvert-e2e --test portal

import assert from 'node:assert/strict';

import { desktop, intoShell, open, palette, reads, shown, signIn, telnet, typed } from './world.mjs';

const SIZE = { width: 1280, height: 720 };

export async function the_readmes_picture_shows_live_sessions(world, browser) {
  const page = await open(browser, { viewport: SIZE, colorScheme: 'light' });
  await signIn(world, page);
  await telnet(world, page, 'harb');
  await desktop(world, page, 'lind rece');
  await palette(page, 'okaf scan');
  await intoShell(page, world.account);
  await typed(page, 'clear; head -3 /etc/os-release; ip -br -4 address; ss -ltn | head -6; id; ls -l --time-style=long-iso /etc/ssh; umask\r');
  await reads(page, /^00\d\d$/m);
  await page.waitForSelector(`${shown} .path:has-text("Relay")`);
  await page.waitForFunction((at) => /\d ms/.test(document.querySelector(`${at} .path`)?.textContent ?? ''), shown);
  const picture = await page.screenshot({ animations: 'disabled', ...(process.env.CULVERT_PICTURE ? { path: process.env.CULVERT_PICTURE } : {}) });
  // A PNG of that size, and no blank one.
  assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [SIZE.width, SIZE.height]);
  assert.ok(picture.length > 30_000, `${picture.length} bytes`);
  assert.deepEqual(page.faults, []);
}
