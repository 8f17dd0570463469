//! Teams, the proof before what is hard to undo, and a lost phone (S18, S21;
//! trust rows 24 and 28).

import assert from 'node:assert/strict';

import { colleague, ownersPage, PASSWORD, site } from './colleague.mjs';
import { accessibleInBothThemes, api, ask, choosesPassword, open, visit } from './world.mjs';

const dialog = (page) => page.locator('dialog[open]');

/** Somebody without a role, signed in on a page of her own. */
async function newcomer(world, browser, owner) {
  const name = `olga${Date.now() % 1_000_000}`;
  const { link } = (await api(owner, 'POST', '/api/v1/invitations', { name, assignments: [] })).body;
  const page = await open(browser);
  await page.goto(`${world.url}/invitation#${link.split('#')[1]}`);
  await choosesPassword(page, PASSWORD);
  await page.waitForSelector('nav[aria-label=Culvert]');
  return { name, page, id: (await api(page, 'GET', '/api/v1/me')).body.user.id };
}

export async function a_role_given_to_a_team_holds_for_its_members_while_they_are_in_it(world, browser) {
  const owner = await ownersPage(world, browser);
  const place = await site(owner, 'Teamwork', [['till', '192.168.77.10', [['ssh', 22]]]]);
  const olga = await newcomer(world, browser, owner);
  const reaches = async () => (await api(olga.page, 'GET', `/api/v1/hosts/${place.hosts.till}`)).status === 200;
  assert.equal(await reaches(), false);

  const name = `Night shift ${Date.now() % 1_000_000}`;
  await owner.goto(`${world.url}/teams`);
  await owner.getByRole('button', { name: 'Team', exact: true }).click();
  await dialog(owner).locator('input').fill(name);
  await dialog(owner).getByRole('button', { name: 'Make team' }).click();
  const card = owner.locator('section.card', { hasText: name });
  await card.locator('text=Nobody yet').waitFor();
  await card.locator('select').selectOption({ label: olga.name });
  await card.locator('.tag', { hasText: olga.name }).waitFor();
  await card.getByRole('button', { name: 'Role' }).click();
  await accessibleInBothThemes(owner, 'a team’s role');
  const customer = (await api(owner, 'GET', '/api/v1/tree')).body.customers.find((c) => c.sites.some((s) => s.id === place.id));
  await dialog(owner).locator('input[value=technician]').check();
  await dialog(owner).getByLabel('Where: customer').selectOption({ label: customer.name });
  await dialog(owner).locator('button.primary').click();
  await card.getByText('technician').waitFor();
  await accessibleInBothThemes(owner, 'a team');
  assert.equal(await reaches(), true);
  // It says so on her page and at the host, by which rule.
  await visit(owner, `/people/${olga.id}`);
  await owner.locator('li', { hasText: 'technician' }).locator('.tag', { hasText: name }).waitFor();
  await visit(owner, `/h/${place.hosts.till}`);
  const rule = owner.locator('section.card:has(h2:text-is("Who can reach it")) li', { hasText: olga.name });
  await rule.waitFor();
  assert.match(await rule.innerText(), new RegExp(`technician on customer ${customer.name}, by team ${name}`));

  // Out of the team, and the role is gone at once.
  await visit(owner, '/teams');
  await card.getByRole('button', { name: `Take ${olga.name} out` }).click();
  await card.locator('text=Nobody yet').waitFor();
  assert.equal(await reaches(), false);
  await card.getByRole('button', { name: /^Remove Night/ }).click();
  await dialog(owner).getByRole('button', { name: 'Remove team' }).click();
  await card.waitFor({ state: 'detached' });
  assert.deepEqual([...owner.faults, ...olga.page.faults], []);
}

export async function what_is_hard_to_undo_asks_who_she_is_once_more(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await colleague(world, browser, owner);
  const { page } = nina;
  const own = page.locator('section.card', { has: page.locator('h2:text-is("Authenticator")') });
  await ask('stale', nina.name);
  await visit(page, '/account');
  await own.locator('button:has-text("Set up")').click();
  const step = dialog(page);
  await step.locator('h2', { hasText: 'Confirm that it is you' }).waitFor();
  await accessibleInBothThemes(page, 'a proof');
  // Not without it, and a wrong one is said.
  await page.keyboard.press('Escape');
  await step.waitFor({ state: 'detached' });
  await own.locator('[role=alert]').waitFor();
  assert.equal(await own.locator('.secret').count(), 0);
  await own.locator('button:has-text("Set up")').click();
  await step.locator('input[type=password]').fill('wrong wrong wrong');
  await step.locator('button:has-text("Confirm")').click();
  await step.locator('[role=alert]').waitFor();
  await step.locator('input[type=password]').fill(nina.password);
  await step.locator('button:has-text("Confirm")').click();
  // The deed itself goes on where it stood.
  await own.locator('.secret').waitFor();
  assert.deepEqual(page.faults, []);
}

export async function a_lost_phone_is_reset_by_another_and_ends_everything_of_hers(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await colleague(world, browser, owner);
  await owner.goto(`${world.url}/people/${nina.id}`);
  await owner.getByRole('button', { name: 'Lost phone' }).click();
  await dialog(owner).getByRole('button', { name: 'Reset' }).click();
  const link = await dialog(owner).locator('.secret').innerText();
  await accessibleInBothThemes(owner, 'a link to begin anew');
  // Her page learns it by itself.
  await nina.page.waitForSelector('input[name=password]');
  await nina.page.fill('input[name=username]', nina.name);
  await nina.page.fill('input[name=password]', nina.password);
  await nina.page.click('button:has-text("Sign in with password")');
  await nina.page.locator('[role=alert]').waitFor();
  // By the link, and only with that, she is herself again, with what she might before.
  await nina.page.goto(link);
  await choosesPassword(nina.page, 'another long enough phrase');
  await nina.page.waitForSelector('nav[aria-label=Culvert]');
  assert.equal((await api(nina.page, 'GET', '/api/v1/me')).body.user.id, nina.id);
  assert.equal((await api(nina.page, 'GET', '/api/v1/tree')).status, 200);
  assert.deepEqual([...owner.faults, ...nina.page.faults], []);
}
