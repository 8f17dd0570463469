//! The browser on real HTTPS: the portal under a name of its own, its private
//! authority trusted in the browser's own folder, and other sites' pages.

import { chromium } from 'playwright-core';

import { CHROMIUM, need } from './world.mjs';

/** Names of the portal's domain, of its siblings and of strangers all lead to the server. */
export const launch = () => {
  const at = need('CULVERT_AT');
  const map = ['culvert.test', '*.culvert.test', '*.evil.example'].map((name) => `MAP ${name} ${at}`).join(', ');
  return chromium.launch({ executablePath: CHROMIUM, args: ['--headless=new', '--no-sandbox', `--host-resolver-rules=${map}`], env: { ...process.env, HOME: need('CULVERT_HOME') } });
};
