//! Reports on the page and on paper: what they hold, and what they leave out
//! (S23; threat 18). And people in the search over everything.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { accessibleInBothThemes, api, intoShell, open, palette, settled, shown, signIn, typed, visit } from './world.mjs';

export async function paper_shows_the_report_and_says_what_it_leaves_out(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await palette(page, 'harb serv');
  await intoShell(page, world.account);
  await typed(page, 'exit\r');
  await page.waitForSelector(`${shown} [role=alert]`);
  await visit(page, '/reports');
  const table = page.locator('table.print-only');
  const inks = [];
  // The system's theme, and the one that was chosen on the page.
  for (const [colorScheme, chosen] of [['light', null], ['dark', null], ['light', 'dark']]) {
    await page.emulateMedia({ media: 'print', colorScheme });
    await page.evaluate((theme) => { if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme; }, chosen);
    await table.waitFor();
    // Nothing of the program around it, every row, and ink on white.
    for (const gone of ['nav[aria-label=Culvert]', 'nav[aria-label="Open sessions"]', '.filters', '.window']) assert.equal(await page.locator(gone).first().isVisible(), false, gone);
    assert.match(await table.innerText(), new RegExp(`${world.owner.name}[^]*Harbour[^]*server[^]*SSH`));
    inks.push(await table.locator('td').first().evaluate((cell) => [getComputedStyle(cell).color, getComputedStyle(document.body).backgroundColor]));
  }
  for (const ink of inks) {
    assert.equal(ink[1], 'rgb(255, 255, 255)');
    assert.deepEqual(ink, inks[0], 'a dark page is not printed as a light one');
  }
  await page.evaluate(() => { delete document.documentElement.dataset.theme; });
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });

  // The same as a file, and summed: per technician, customer and host.
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('a:has-text("CSV")')]);
  assert.match(file.suggestedFilename(), /^culvert-sessions-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  const lines = readFileSync(await file.path(), 'utf8').trim().split(/\r?\n/);
  assert.ok(lines.slice(1).some((line) => line.includes(world.owner.name) && line.includes('Harbour') && line.includes('server')), lines.slice(0, 5).join('; '));
  for (const [tab, name] of [['Per technician', world.owner.name], ['Per customer', 'Harbour'], ['Per host', 'server']]) {
    await page.click(`[aria-label=Show] button:has-text("${tab}")`);
    const line = page.locator('[aria-label=Report] tbody tr', { has: page.getByText(name, { exact: true }) }).first();
    await line.waitFor();
    assert.match(await line.innerText(), /\s[1-9]\d*\s/, `${tab}: no number of sessions`);
    const [sums] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("CSV")')]);
    assert.match(sums.suggestedFilename(), /^culvert-per-(user|customer|host)-/);
    assert.match(readFileSync(await sums.path(), 'utf8'), new RegExp(`^(user|customer|host),[^]*\n${name},`));
  }
  // One host's report: on the page, on paper and as a file.
  await page.locator('[aria-label=Report] tbody tr', { hasText: 'Harbour' }).getByRole('button', { name: 'server', exact: true }).click();
  await settled(page);
  const rows = page.locator('[role=region] [role=listitem]');
  await rows.first().waitFor();
  for (const text of await rows.allInnerTexts()) assert.match(text, /Harbour[^]*server/);
  assert.match(await page.locator('p.print-only').textContent(), /server \(Harbour ›/);
  const [one] = await Promise.all([page.waitForEvent('download'), page.click('a:has-text("CSV")')]);
  const hosts = readFileSync(await one.path(), 'utf8').trim().split(/\r?\n/).slice(1).map((line) => line.split(',')[4]);
  assert.deepEqual([...new Set(hosts)], ['server']);

  // As after years: more than paper takes, and more than one answer holds.
  await page.route('**/api/v1/reports/sessions?*', async (route) => {
    const answer = await route.fetch();
    const { sessions } = await answer.json();
    const many = Array.from({ length: 2_001 }, (_, n) => ({ ...sessions[0], session: `${n}`.padStart(26, 'a') }));
    await route.fulfill({ response: answer, json: { sessions: many, more: true } });
  });
  await visit(page, '/');
  await visit(page, '/reports');
  await page.locator('.note', { hasText: 'the newest 2,000 of 2,001' }).waitFor();
  await page.locator('.note', { hasText: 'more than 2,001 sessions' }).waitFor();
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('.note').first().isVisible(), true, 'paper does not say it');
  assert.equal(await table.locator('tbody tr').count(), 2_000);
  assert.deepEqual(page.faults, []);
}

export async function people_are_found_by_ctrl_k(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const person = (await api(page, 'GET', '/api/v1/users')).body.users.find((u) => u.name === world.technician.name);
  await page.keyboard.press('Control+k');
  await page.keyboard.type(world.technician.name);
  const hit = page.locator('dialog[open] [role=option]', { hasText: `Person ${world.technician.name}` });
  await hit.waitFor();
  await hit.click();
  await page.waitForURL(`${world.url}/people/${person.id}`);
  // Who may not list people finds none, and nothing breaks.
  const other = await open(browser);
  const asked = [];
  other.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await signIn(world, other, world.technician);
  await other.keyboard.press('Control+k');
  await other.keyboard.type(world.owner.name);
  await settled(other);
  assert.equal(await other.locator('dialog[open] [role=option]', { hasText: 'Person' }).count(), 0);
  assert.ok(asked.includes('/api/v1/tree'), asked.join(' '));
  assert.deepEqual(asked.filter((path) => path.startsWith('/api/v1/users')), []);
  assert.deepEqual([...page.faults, ...other.faults], []);
}

export async function the_whole_trail_can_be_read_on_the_page(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  // As after years: what the server answers, of more rows than one answer holds. Around its end many are of one moment.
  const all = Array.from({ length: 2_345 }, (_, n) => {
    const seq = 2_345 - n;
    return { chain: 'provider', seq, at: 1_700_000_000_000 + Math.floor(seq / 20), actor: 'server', actor_name: `row-${seq}.`, source: '', action: 'test', object: '', outcome: 'done', before: '', after: '' };
  });
  await page.route('**/api/v1/audit?*', (route) => {
    const asked = new URL(route.request().url()).searchParams;
    const before = Number(asked.get('before') ?? Infinity);
    return route.fulfill({ json: { rows: all.filter(({ at }) => at < before).slice(0, Number(asked.get('limit'))) } });
  });
  await visit(page, '/audit');
  const rows = page.locator('[aria-label="Audit trail"] tbody tr');
  await rows.first().waitFor();
  const more = page.locator('main button', { hasText: /^(Show more of|Older, before) / });
  const olderThere = page.locator('main button', { hasText: 'Older, before ' });
  let asked = 0;
  while ((await more.count()) > 0) {
    if ((await olderThere.count()) > 0) { asked += 1; if (asked === 1) await accessibleInBothThemes(page, 'older rows'); }
    const was = await rows.count();
    await more.click();
    await page.waitForFunction((n) => document.querySelectorAll('[aria-label="Audit trail"] tbody tr').length > n, was);
  }
  assert.equal(asked, 2);
  // Each row once, in order.
  assert.deepEqual(await page.locator('[aria-label="Audit trail"] tbody td:nth-child(2)').allInnerTexts(), all.map(({ actor_name }) => actor_name));

  // What the words leave of the newest is none: the way on is there all the same.
  await page.reload();
  await rows.first().waitFor();
  await page.fill('[data-filter]', 'row-7.');
  await page.locator('.empty', { hasText: 'among the newest 1,000 rows' }).waitFor();
  await olderThere.click();
  await page.locator('.empty', { hasText: /among the newest 1,9\d\d rows/ }).waitFor();
  await olderThere.click();
  await rows.first().waitFor();
  assert.equal(await rows.count(), 1);
  assert.equal(await more.count(), 0);
  assert.deepEqual(page.faults, []);
}
