//! README's picture: a real session in the portal, made anew in every run, so
//! that the script that makes it works. `CULVERT_PICTURE=FILE` keeps it:
//! CULVERT_ONLY=picture CULVERT_PICTURE=$PWD/docs/portal.png cargo test -p culvert-e2e --test portal

import assert from 'node:assert/strict';

import { open, reads, shown, signIn, telnet, typed } from './world.mjs';

const SIZE = { width: 1280, height: 720 };

export async function the_readmes_picture_shows_a_live_session(world, browser) {
  const page = await open(browser, { viewport: SIZE, colorScheme: 'light' });
  await signIn(world, page);
  await telnet(world, page, 'harb');
  await typed(page, 'clear; head -3 /etc/os-release; ip -br -4 address; ss -ltn | head -6; echo done-$((1+1))\r');
  await reads(page, /done-2/);
  await page.waitForSelector(`${shown} .path:has-text("Relay")`);
  await page.waitForFunction((at) => /\d ms/.test(document.querySelector(`${at} .path`)?.textContent ?? ''), shown);
  const picture = await page.screenshot({ animations: 'disabled', ...(process.env.CULVERT_PICTURE ? { path: process.env.CULVERT_PICTURE } : {}) });
  // A PNG of that size, and no blank one.
  assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [SIZE.width, SIZE.height]);
  assert.ok(picture.length > 30_000, `${picture.length} bytes`);
  assert.deepEqual(page.faults, []);
}
