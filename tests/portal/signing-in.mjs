//! Second factors in the browser: an authenticator program, recovery codes, and
//! passkeys of a virtual authenticator; what a wrong password says (S9, S18, S21;
//! trust row 28).

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { accessibleInBothThemes, open, scanned, visit } from './world.mjs';
import { colleague, ownersPage, signOut } from './colleague.mjs';

/** RFC 6238 with SHA-1, six digits, 30 seconds; `ahead` steps from now. */
function totp(secret, ahead = 0) {
  const bits = [...secret.replace(/\s/g, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const mac = createHmac('sha1', key).update(step).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const card = (page, title) => page.locator('section.card', { has: page.locator(`h2:text-is("${title}")`) });
const inside = (page) => page.waitForSelector('nav[aria-label=Culvert]');

async function password(page, who) {
  await page.goto(new URL('/sign-in', page.url()).href);
  await page.fill('input[name=username]', who.name);
  await page.fill('input[name=password]', who.password);
  await page.click('button:has-text("Sign in with password")');
}

export async function an_invited_colleague_is_in_and_her_link_is_used_up(world, browser) {
  const owner = await ownersPage(world, browser);
  const nina = await colleague(world, browser, owner);
  assert.match(nina.page.url(), /\/account\?new=1$/);
  await nina.page.waitForSelector('h2:text-is("Authenticator")');
  // The server's rule stands on the page, as the server says it.
  assert.match(await card(nina.page, 'Password').innerText(), /At least 12 characters/);
}

export async function an_authenticator_and_recovery_codes_sign_in_once_each(world, browser) {
  const owner = await ownersPage(world, browser);
  const { page, ...nina } = await colleague(world, browser, owner);
  await card(page, 'Authenticator').locator('button:has-text("Set up")').click();
  const secret = await card(page, 'Authenticator').locator('.secret').innerText();
  const read = new URL(await scanned(page.getByRole('img', { name: 'Secret of the authenticator as QR code' })));
  assert.deepEqual([read.protocol, read.searchParams.get('secret')], ['otpauth:', secret.replace(/\s/g, '')]);
  const field = page.locator('input[aria-label="Code from the authenticator"]');
  await field.fill(totp(secret, -40));
  await page.click('button:has-text("Confirm")');
  await card(page, 'Authenticator').locator('[role=alert]').waitFor();
  await field.fill(totp(secret));
  await page.click('button:has-text("Confirm")');
  await card(page, 'Authenticator').locator('.tag:has-text("on")').waitFor();
  await page.click('button:has-text("Make codes")');
  await card(page, 'Recovery codes').locator('li').first().waitFor();
  const codes = await card(page, 'Recovery codes').locator('li').allInnerTexts();
  assert.equal(new Set(codes).size, 10);

  // The code of a later step: the one that confirmed is used up.
  await signOut(page);
  await password(page, nina);
  const code = page.locator('input[name=code]');
  await code.waitFor();
  await accessibleInBothThemes(page, 'the second step');
  await code.fill(totp(secret, 1));
  await inside(page);

  const recover = async (recovery) => {
    await signOut(page);
    await password(page, nina);
    await page.click('button:has-text("Use a recovery code")');
    await code.fill(recovery.trim());
    await page.click('button:has-text("Continue")');
  };
  await recover(codes[3]);
  await inside(page);

  // Neither counts a second time; the page goes on with another try.
  await recover(codes[3]);
  assert.match(await page.locator('[role=alert]').innerText(), /used already/);
  await code.fill(codes[4].trim());
  await page.click('button:has-text("Continue")');
  await inside(page);
  await page.goto(`${world.url}/account`);
  await card(page, 'Recovery codes').locator('.tag:has-text("8 left")').waitFor();
  assert.deepEqual(page.faults, []);
}

export async function a_passkey_signs_in_alone_and_as_a_second_step_until_it_is_removed(world, browser) {
  const owner = await ownersPage(world, browser);
  const { page, ...nina } = await colleague(world, browser, owner);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  await page.fill('input[aria-label="Name of the new passkey"]', 'Laptop');
  await card(page, 'Passkeys').locator('button:has-text("Add")').click();
  await card(page, 'Passkeys').locator('.tag:has-text("on")').waitFor();
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId });
  assert.deepEqual(credentials.map((c) => [c.rpId, c.isResidentCredential]), [[new URL(world.url).hostname, true]]);

  await signOut(page);
  await page.goto(`${world.url}/`);
  await page.click('button:has-text("Sign in with a passkey")');
  await inside(page);
  assert.match(await page.locator('body').innerText(), new RegExp(nina.name));

  // With the password it is the second step.
  await signOut(page);
  await password(page, nina);
  await inside(page);

  // An authenticator that did not check who confirms is no two factors.
  await signOut(page);
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.goto(`${world.url}/`);
  await page.click('button:has-text("Sign in with a passkey")');
  await page.waitForSelector('[role=alert]');
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });

  await password(page, nina);
  await inside(page);
  await page.goto(`${world.url}/account`);
  await page.click('button[aria-label="Remove Laptop"]');
  await page.locator('dialog[open] button:has-text("Remove")').click();
  await card(page, 'Passkeys').locator('.tag:has-text("on")').waitFor({ state: 'detached' });
  await signOut(page);
  await page.goto(`${world.url}/`);
  await page.click('button:has-text("Sign in with a passkey")');
  assert.match(await page.locator('[role=alert]').innerText(), /not known here/);
  await password(page, nina);
  await inside(page);
  assert.deepEqual(page.faults, []);
}

export async function guessing_is_told_to_wait_and_elsewhere_she_gets_in(world, browser) {
  const owner = await ownersPage(world, browser);
  const { page, ...nina } = await colleague(world, browser, owner);
  await signOut(page);
  const said = [];
  for (let i = 0; i < 7; i += 1) {
    await password(page, { ...nina, password: 'wrong wrong wrong' });
    said.push(await page.locator('[role=alert]').innerText());
  }
  assert.match(said[0], /name or the password is wrong/i);
  assert.equal(new Set(said).size, 2, said.join(' | '));
  assert.match(said.at(-1), /wait|later|too many/i);
  // The right one waits, too: a guess must not be told from it.
  await password(page, nina);
  assert.equal(await page.locator('[role=alert]').innerText(), said.at(-1));
  await owner.goto(`${world.url}/audit`);
  await owner.waitForSelector(`text=${nina.name}`);
}

/** Without the page's cookie, as a program asks. */
const asProgram = (page, token, path) => page.evaluate(async ([t, p]) => {
  const answer = await fetch(p, { credentials: 'omit', headers: { authorization: `Bearer ${t}` } });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}, [token, path]);

export async function a_token_made_on_the_page_does_what_is_ticked_and_ends_there(world, browser) {
  const page = await ownersPage(world, browser);
  await visit(page, '/account');
  await page.getByRole('button', { name: 'API token', exact: true }).click();
  const dialog = page.locator('dialog[open]');
  await dialog.getByLabel('Label').fill('nightly 🌙');
  await accessibleInBothThemes(page, 'making a token');
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  await dialog.locator('h2', { hasText: 'The new token' }).waitFor();
  const token = await dialog.locator('.secret').innerText();
  assert.match(token, /^culvert_[a-z2-7]+$/);
  await page.keyboard.press('Escape');

  const tree = await asProgram(page, token, '/api/v1/tree');
  assert.equal(tree.status, 200);
  assert.ok(tree.body.customers.length > 0);
  // Only what was ticked: not the report, not another token.
  assert.ok([403, 404].includes((await asProgram(page, token, '/api/v1/reports/sessions')).status));
  assert.equal((await asProgram(page, token, '/api/v1/tokens')).status, 403);

  const row = page.locator('tr', { hasText: 'nightly 🌙' });
  await row.getByText('API token').waitFor();
  await row.getByRole('button', { name: /^End/ }).click();
  await dialog.getByRole('button', { name: 'End it' }).click();
  await row.waitFor({ state: 'detached' });
  assert.equal((await asProgram(page, token, '/api/v1/tree')).status, 401);
  assert.deepEqual(page.faults, []);
}
