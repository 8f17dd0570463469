//! A colleague of the owner's: invited on the page, in by her link; and places of
//! their own to work at.

import assert from 'node:assert/strict';

import { api, choosesPassword, open, signIn } from './world.mjs';

export const PASSWORD = 'a long enough phrase';
let made = Date.now() % 100_000;

/** The owner invites somebody for everything; gives the link. */
export async function invite(page, world, name) {
  await page.goto(`${world.url}/people/invite`);
  await page.fill('label:has-text("Name she signs in with") input', name);
  await page.getByLabel('Role 1: customer').selectOption({ label: 'Everything' });
  await page.click('button:has-text("Make the link")');
  return page.locator('.secret').innerText();
}

/** Opens an invitation's link and chooses a password: she is in. */
export async function accept(page, link) {
  await page.goto(link);
  await choosesPassword(page, PASSWORD);
  await page.waitForSelector('nav[aria-label=Culvert]');
}

/** A technician for everything, signed in on a page of her own. */
export async function colleague(world, browser, owner) {
  const name = `nina${(made += 1)}`;
  const link = await invite(owner, world, name);
  const page = await open(browser);
  await accept(page, link);
  const me = (await api(page, 'GET', '/api/v1/me')).body;
  return { name, password: PASSWORD, page, id: me.user.id };
}

export async function ownersPage(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  return page;
}

/** The page of all hosts, ready for keys. */
export async function home(page, world) {
  await page.goto(`${world.url}/`);
  await page.waitForSelector('[role=treegrid]');
}

export async function signOut(page) {
  await page.evaluate(() => fetch('/api/v1/sign-out', { method: 'POST' }));
  await page.context().clearCookies();
}

/** A place of its own: customer, site and hosts. */
export async function site(page, name, hosts) {
  const customer = (await api(page, 'POST', '/api/v1/customers', { name: `${name} ${Date.now()}` })).body;
  const made = (await api(page, 'POST', `/api/v1/customers/${customer.id}/sites`, { name: 'Yard' })).body;
  const ids = {};
  for (const [host, address, services] of hosts) {
    const answer = await api(page, 'POST', `/api/v1/sites/${made.id}/hosts`, { name: host, address, services: services.map(([protocol, port]) => ({ protocol, port })) });
    assert.equal(answer.status, 201, JSON.stringify(answer));
    ids[host] = answer.body.id;
  }
  return { id: made.id, hosts: ids };
}
