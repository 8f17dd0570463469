//! Hosts that are not what they were, or wish to deceive; many of them at once;
//! a key that is kept for one of them (S19, S20, S39; trust rows 10, 14 and 26).

import assert from 'node:assert/strict';

import { accessibleInBothThemes, api, ask, fits, gone, harbour, intoShell, onHost, open, palette, reads, shown, signIn, typed, visit } from './world.mjs';

const PORT = 2222;
const OLD_PORT = 2223;

export async function a_changed_host_key_blocks_and_a_refused_one_stays_refused_and_a_banner_is_text(world, browser) {
  const page = await open(browser);
  page.on('dialog', () => page.faults.push('a script ran'));
  await signIn(world, page);
  await onHost(page, [{ protocol: 'ssh', port: PORT }], async ({ name }) => {
    const question = page.locator(`${shown} [role=dialog]`);
    const over = page.locator(`${shown} [role=alert]`);
    const again = () => page.click(`${shown} button:has-text("Open again")`);

    const first = await ask('sshd', String(PORT));
    await palette(page, name);
    await question.locator('h2', { hasText: 'First time on this host' }).waitFor();
    assert.ok((await question.innerText()).includes(first), 'another fingerprint than the host’s');
    await question.locator('button:has-text("Trust and remember")').click();
    await question.locator('h2', { hasText: 'Sign in to the host' }).waitFor();
    await question.locator('input').fill(world.account.name);
    await question.locator('button:has-text("Continue")').click();
    // Markup, a turn of the line and an escape sequence: letters, and nothing happens.
    const banner = page.locator(`${shown} .banner`);
    await banner.waitFor();
    assert.match(await banner.innerText(), /<img src=x onerror=alert\(1\)>/);
    assert.equal(await banner.locator('img').count(), 0);
    assert.doesNotMatch(await banner.innerText(), /[\u202e\u001b\u0007]/);
    await accessibleInBothThemes(page, 'a banner');
    await intoShell(page, world.account);
    await typed(page, 'exit\r');
    await over.waitFor();

    // Another machine answers there.
    const second = await ask('sshd', String(PORT));
    assert.notEqual(second, first);
    await again();
    await question.locator('h2', { hasText: 'The host’s key has changed' }).waitFor();
    const said = await question.innerText();
    assert.ok(said.includes(first) && said.includes(second), said);
    await accessibleInBothThemes(page, 'a changed key');
    await fits(page, 'a changed key');
    const accept = question.locator('button:has-text("Accept the new key")');
    assert.equal(await accept.isDisabled(), true);
    // Enter and Escape both refuse: nothing was asked for a password.
    await page.keyboard.press('Escape');
    await over.waitFor();
    assert.match(await over.innerText(), /host_key_refused/);
    await again();
    await question.locator('label:has-text("Type changed")').locator('input').fill('changed');
    await accept.click();
    await intoShell(page, world.account);
    await typed(page, 'exit\r');
    await over.waitFor();

    // And one that is an impostor's: refused for everybody, whoever asks.
    const third = await ask('sshd', String(PORT));
    await again();
    await question.locator('summary').click();
    await question.locator('label:has-text("Type never")').locator('input').fill('never');
    await question.locator('button:has-text("Never connect to this key")').click();
    await over.waitFor();
    await again();
    await question.locator('h2', { hasText: 'This key was refused for good' }).waitFor();
    assert.ok((await question.innerText()).includes(third));
    assert.equal(await question.locator('button').count(), 1);
    await accessibleInBothThemes(page, 'a refused key');
    await question.locator('button').click();
    await over.waitFor();
    // Each decision is in the trail, with who and what.
    const customer = harbour((await api(page, 'GET', '/api/v1/tree')).body).id;
    const seen = (await api(page, 'GET', `/api/v1/audit?customer=${customer}&limit=300`)).body.rows.filter((row) => JSON.stringify(row).includes(third) || JSON.stringify(row).includes(second));
    for (const action of ['host_key.refused', 'host_key.replaced', 'host_key.revoked']) assert.ok(seen.some((row) => row.action === action && JSON.parse(row.after).user === world.owner.name), `${action}: ${JSON.stringify(seen)}`);
  });
  assert.deepEqual(page.faults, []);
}

export async function a_host_with_old_cryptography_is_reached_when_somebody_says_so(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  await ask('old-sshd', String(OLD_PORT));
  await onHost(page, [{ protocol: 'ssh', port: OLD_PORT }], async ({ name }) => {
    const question = page.locator(`${shown} [role=dialog]`);
    const over = page.locator(`${shown} [role=alert]`);
    const again = () => page.click(`${shown} button:has-text("Open again")`);
    const old = question.locator('h2', { hasText: 'Only old cryptography' });

    await palette(page, name);
    await old.waitFor();
    assert.match(await question.innerText(), /diffie-hellman-group14-sha1/);
    await accessibleInBothThemes(page, 'old cryptography');
    await fits(page, 'old cryptography');
    // What is chosen at first, and Escape: not connected.
    await page.keyboard.press('Enter');
    await over.waitFor();
    await again();
    await old.waitFor();
    await page.keyboard.press('Escape');
    await over.waitFor();
    await again();
    await question.locator('button:has-text("Only this time")').click();
    await intoShell(page, world.account);
    await typed(page, 'exit\r');
    await over.waitFor();
    // Once was once; said for always, it is not asked again.
    await again();
    await old.waitFor();
    await question.locator('button:has-text("Always for this host")').click();
    await intoShell(page, world.account);
    await typed(page, 'exit\r');
    await over.waitFor();
    await again();
    await intoShell(page, world.account);
    await typed(page, 'echo old-$((40 + 2))\r');
    await reads(page, /old-42/);
  });
  assert.deepEqual(page.faults, []);
}

export async function bad_lines_of_a_csv_are_named_and_the_good_ones_are_kept(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const customer = (await api(page, 'POST', '/api/v1/customers', { name: `Lists ${Date.now()}` })).body;
  try {
    const site = (await api(page, 'POST', `/api/v1/customers/${customer.id}/sites`, { name: 'Depot' })).body;
    await page.goto(`${world.url}/sites/${site.id}`);
    await page.click('button:has-text("Import CSV") >> nth=0');
    const dialog = page.locator('dialog[open]');
    // More than one import takes is not read, and says so.
    await dialog.locator('input[type=file]').setInputFiles({ name: 'all.csv', mimeType: 'text/csv', buffer: Buffer.alloc(300_000, 'x') });
    await dialog.locator('[role=alert]', { hasText: /“all\.csv” has 300 kB, and one import takes at most/ }).waitFor();
    assert.equal(await dialog.locator('textarea').inputValue(), '');
    const csv = 'name,address,services\ntill 1,192.168.7.31,vnc ssh\ntill 2,not an address!,vnc\n"=cmd()|<b>",192.168.7.32,http\ntill 4,192.168.7.33,gopher\n';
    await dialog.locator('input[type=file]').setInputFiles({ name: 'hosts.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await dialog.locator('button:has-text("Import")').last().click();
    await dialog.locator('[role=alert]', { hasText: 'takes at most' }).waitFor({ state: 'detached' });
    await dialog.locator('.note.bad', { hasText: '2 lines cannot be added, so nothing was' }).waitFor();
    const lines = await dialog.locator('li').allInnerTexts();
    assert.equal(lines.length, 2);
    assert.match(lines[0], /^Line 3:.*address/s);
    assert.match(lines[1], /^Line 5:.*service/s);
    await accessibleInBothThemes(page, 'bad lines');
    const hosts = async () => (await api(page, 'GET', '/api/v1/tree')).body.customers.find((c) => c.id === customer.id).sites[0].hosts.map((h) => h.name);
    assert.deepEqual(await hosts(), []);
    await dialog.locator('button:has-text("Add the other 2 lines")').click();
    await page.locator('[role=status]', { hasText: '2 hosts added' }).waitFor();
    assert.deepEqual((await hosts()).sort(), ['=cmd()|<b>', 'till 1']);
    // A file that is none says so and adds nothing.
    await dialog.locator('textarea').fill('no head line at all');
    await dialog.locator('button:has-text("Import")').last().click();
    await dialog.locator('[role=alert], .note.bad').first().waitFor();
    assert.equal((await hosts()).length, 2);
    assert.deepEqual(page.faults, []);
  } finally {
    await gone(page, customer.id);
  }
}

export async function a_private_key_kept_in_the_browser_signs_in_and_a_locked_one_asks_for_its_passphrase(world, browser) {
  const page = await open(browser);
  await signIn(world, page);
  const phrase = 'an open sésame';
  const key = await ask('key', ...phrase.split(' '));
  await onHost(page, [{ protocol: 'ssh', port: 22 }], async ({ name, id }) => {
    // The host is known first; the key by hand does it.
    await palette(page, name);
    const question = page.locator(`${shown} [role=dialog]`);
    const title = question.locator('h2');
    for (;;) {
      await title.or(page.locator(`${shown} .xterm-rows`, { hasText: /[$#]\s*$/ })).first().waitFor();
      if ((await title.count()) === 0) break;
      const text = await title.innerText();
      if (/First time/.test(text)) await question.locator('button:has-text("Trust and remember")').click();
      else if (/Sign in to the host/.test(text)) { await question.locator('input').fill(world.account.name); await question.locator('button:has-text("Continue")').click(); }
      else {
        await question.locator('button:has-text("Use a private key")').click();
        await question.locator('input[type=file]').setInputFiles({ name: 'id', mimeType: 'text/plain', buffer: Buffer.from(key) });
        await question.locator('input[type=password]').fill(phrase);
        await question.locator('button:has-text("Continue")').click();
      }
      await page.waitForFunction(([at, was]) => document.querySelector(`${at} [role=dialog] h2`)?.textContent !== was, [shown, text]);
    }
    await typed(page, 'exit\r');
    await page.waitForSelector(`${shown} [role=alert]`);

    const sent = [];
    page.on('request', (request) => sent.push(request.postData() ?? ''));
    for (const [passphrase, asked] of [[phrase, false], ['', true]]) {
      await visit(page, `/h/${id}`);
      const card = page.locator('section.card:has(h2:text-is("Saved sign-in"))');
      await card.locator('button:has-text("Save")').click();
      await page.check('input[value=private_key]');
      await page.fill('#credential label:has-text("Account") input', world.account.name);
      await page.locator('#credential input[type=file]').setInputFiles({ name: 'id', mimeType: 'text/plain', buffer: Buffer.from(key) });
      await page.fill('#credential input[type=password]', passphrase);
      await page.click('button:has-text("Encrypt and save")');
      await page.locator('#credential').waitFor({ state: 'detached' });
      await card.getByText(world.account.name).waitFor();
      await palette(page, name);
      if (asked) {
        await question.locator('h2', { hasText: 'Passphrase of the key' }).waitFor();
        await accessibleInBothThemes(page, 'a passphrase');
        await question.locator('input').fill(phrase);
        await question.locator('button:has-text("Continue")').click();
      }
      await page.locator(`${shown} .xterm-rows`, { hasText: /[$#]\s*$/ }).waitFor();
      assert.equal(await question.count(), 0);
      await typed(page, 'echo in-as-$(id -un)\r');
      await reads(page, new RegExp(`in-as-${world.account.name}`));
      await typed(page, 'exit\r');
      await page.waitForSelector(`${shown} [role=alert]`);
      await page.locator(`${shown} button:has-text("Close")`).first().click();
    }
    const line = key.split('\n')[1];
    assert.ok(sent.some((body) => body.includes('"sealed"')), 'nothing was kept');
    assert.ok(!sent.some((body) => body.includes(line) || body.includes(phrase)), 'the key was sent as it is');
    // The page has it no more; and what is no private key is not taken for one.
    await visit(page, `/h/${id}`);
    await page.locator('section.card:has(h2:text-is("Saved sign-in")) button:has-text("Save")').click();
    const text = page.locator('#credential textarea');
    const save = page.locator('button:has-text("Encrypt and save")');
    await page.check('input[value=private_key]');
    assert.equal(await text.inputValue(), '', 'the page still has it');
    assert.equal(await page.locator('#credential input[type=password]').inputValue(), '', 'the page still has its passphrase');
    await page.fill('#credential label:has-text("Account") input', world.account.name);
    await text.fill('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4 the public half');
    await page.locator('#credential [role=alert]', { hasText: 'That is no private key' }).waitFor();
    const before = sent.length;
    await save.click();
    assert.equal(await text.evaluate((area) => area.checkValidity()), false);
    await page.locator('#credential input[type=file]').setInputFiles({ name: 'disk', mimeType: 'text/plain', buffer: Buffer.alloc(17 * 1024) });
    await page.locator('#credential [role=alert]', { hasText: 'more than 16 KiB' }).waitFor();
    assert.equal(await save.isDisabled(), true);
    assert.deepEqual(sent.slice(before).filter((body) => body.includes('"sealed"')), []);
    // What was said of the file is not said of the key that is pasted then.
    await text.fill(key);
    await page.locator('#credential [role=alert]').waitFor({ state: 'detached' });
    assert.equal(await text.evaluate((area) => area.checkValidity()), true);
  });
  assert.deepEqual(page.faults, []);
}
