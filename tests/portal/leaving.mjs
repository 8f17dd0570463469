//! The end of access: what runs in a browser ends with the right to it, and the
//! page of somebody's last day names the passwords that she knows (S21; trust
//! rows 24 and 27).

import assert from 'node:assert/strict';

import { colleague, home, ownersPage } from './colleague.mjs';
import { api, intoShell, palette, shown } from './world.mjs';

/** A colleague in a shell of the first customer's server. */
async function atWork(world, browser, owner) {
  const nina = await colleague(world, browser, owner);
  await home(nina.page, world);
  await palette(nina.page, 'harb server');
  await intoShell(nina.page, world.account);
  return nina;
}

/** Until the shell is over on her page, from the moment of the order. */
async function until(order, over) {
  const begun = Date.now();
  const ended = over.then(() => Date.now() - begun);
  const answer = await order();
  assert.ok(answer.status < 300, JSON.stringify(answer));
  return ended;
}

export async function whoever_is_shut_out_or_loses_her_role_loses_her_terminal_at_once(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await atWork(world, browser, owner);
  const held = (await api(owner, 'GET', `/api/v1/assignments?user=${nina.id}`)).body.assignments;
  const narrowed = await until(
    () => api(owner, 'DELETE', `/api/v1/assignments/${held[0].id}`),
    nina.page.waitForSelector(`${shown} [role=alert]`),
  );
  assert.match(await nina.page.locator(`${shown} [role=alert]`).innerText(), /access/i);
  // What she may not see any more is gone.
  await nina.page.goto(`${world.url}/`);
  await nina.page.waitForSelector('nav[aria-label=Culvert]');
  assert.equal((await api(nina.page, 'GET', '/api/v1/tree')).status, 403);
  assert.equal(await nina.page.locator('[role=row]').count(), 0);

  const olga = await atWork(world, browser, owner);
  // Her page has to learn it from the stream's last word: no timer of it fires any more.
  await olga.page.evaluate(() => {
    const set = globalThis.setTimeout;
    globalThis.setTimeout = (f, ms, ...rest) => (ms >= 500 ? 0 : set(f, ms, ...rest));
  });
  const shut = await until(
    () => api(owner, 'PATCH', `/api/v1/users/${olga.id}`, { disabled: true }),
    olga.page.waitForSelector('input[name=password]'),
  );
  assert.equal((await api(olga.page, 'GET', '/api/v1/me')).status, 401);
  const live = (await api(owner, 'GET', '/api/v1/sessions?state=live')).body.sessions;
  assert.deepEqual(live.filter((s) => [nina.id, olga.id].includes(s.user.id)), []);
  return `a role taken: ${narrowed} ms, shut out: ${shut} ms`;
}

export async function the_page_of_her_last_day_names_the_passwords_she_entered_and_used(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await atWork(world, browser, owner);
  await owner.goto(`${world.url}/people/${nina.id}`);
  await owner.click('a:has-text("Off-board")');
  await owner.waitForSelector('text=She entered and used no saved password or key');
  await owner.locator('section.card:has(h2:text-is("She also worked on these"))').getByText('server', { exact: true }).waitFor();

  await keep(nina.page, world);
  await owner.reload();
  const list = owner.locator('section.card:has(h2:text-is("Change these passwords"))');
  await list.getByText('entered it').waitFor();
  assert.match(await list.innerText(), new RegExp(`server[^]*SSH[^]*${world.account.name}`));
  await nina.page.locator('.stage.shown button[aria-label*="Close"], nav[aria-label="Open sessions"] button').first().click().catch(() => {});
  await owner.fill('form input', nina.name);
  await owner.locator('form button:has-text("Off-board")').click();
  await owner.waitForSelector('[role=status]:has-text("has ended")');
  await nina.page.waitForSelector('input[name=password]');
  assert.match(await list.innerText(), new RegExp(world.account.name));
  assert.deepEqual(owner.faults, []);
}

async function keep(page, world) {
  const tree = (await api(page, 'GET', '/api/v1/tree')).body;
  const host = tree.customers.flatMap((c) => c.sites).flatMap((s) => s.hosts).find((h) => h.name === 'server');
  const tab = await page.context().newPage();
  tab.setDefaultTimeout(45_000);
  await tab.goto(`${world.url}/h/${host.id}`);
  await tab.locator('section.card:has(h2:text-is("Saved sign-in")) button:has-text("Save")').click();
  await tab.fill('#credential label:has-text("Account") input', world.account.name);
  await tab.fill('#credential input[type=password]', world.account.password);
  await tab.click('button:has-text("Encrypt and save")');
  await tab.locator('section.card:has(h2:text-is("Saved sign-in"))').getByText(world.account.name).waitFor();
  await tab.close();
}
