//! Webhooks from the page to a real receiver over HTTPS: signed, in order, and
//! again when it refused (S34; threat 3).

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import { colleague, ownersPage } from './colleague.mjs';
import { accessibleInBothThemes, api, ask, visit } from './world.mjs';

/**
 * Listens on this machine. Others of this run sign in wrongly, too, and are told
 * here: what counts are messages about `name`. `refuse` is what it says to these;
 * once, unless `stays`.
 */
async function receiver(files, name) {
  const got = [];
  const says = { refuse: 503, stays: false };
  const server = createServer({ key: readFileSync(`${files}.key`), cert: readFileSync(`${files}.pem`) }, (request, response) => {
    let body = '';
    request.on('data', (piece) => { body += piece; });
    request.on('end', () => {
      const ours = body.includes(name);
      const status = (ours && says.refuse) || 204;
      if (ours) got.push({ status, body, headers: request.headers });
      if (ours && !says.stays) says.refuse = 0;
      response.writeHead(status).end();
    });
  });
  await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
  return { got, says, url: `https://localhost:${server.address().port}/hook`, stop: () => { server.closeAllConnections(); server.close(); } };
}

export async function a_webhook_is_told_signed_and_again_when_it_was_refused(world, browser) {
  const page = await ownersPage(world, browser);
  // Of a name that nobody has, nothing is told: it may be a password.
  const nina = await colleague(world, browser, page);
  const there = await receiver(await ask('hooks'), JSON.stringify(nina.name));
  try {
    await visit(page, '/webhooks');
    await page.getByRole('button', { name: 'Webhook', exact: true }).click();
    const dialog = page.locator('dialog[open]');
    await dialog.locator('input[type=url]').fill(there.url);
    for (const box of await dialog.locator('input[type=checkbox]').all()) await box.setChecked((await box.getAttribute('value')) === 'sign-in.failed');
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await dialog.locator('h2', { hasText: 'The webhook’s secret' }).waitFor();
    const secret = await dialog.locator('.secret').innerText();
    await accessibleInBothThemes(page, 'a webhook’s secret');
    await page.keyboard.press('Escape');
    const card = page.locator('section.card', { hasText: there.url });
    await card.waitFor();

    // It refuses the first; the same message comes again, and then the next.
    const fail = async () => assert.equal((await api(page, 'POST', '/api/v1/sign-in', { name: nina.name, password: 'wrong wrong wrong' })).status, 401);
    await fail();
    await fail();
    const until = Date.now() + 60_000;
    while (there.got.length < 3 && Date.now() < until) await page.waitForTimeout(100);
    const [refused, again, next] = there.got;
    assert.ok(next, `only ${there.got.length} came`);
    assert.deepEqual([refused.status, again.status, next.status], [503, 204, 204]);
    assert.equal(again.body, refused.body);
    assert.equal(again.headers['culvert-delivery'], refused.headers['culvert-delivery']);
    assert.notEqual(next.headers['culvert-delivery'], again.headers['culvert-delivery']);
    for (const { body, headers } of there.got) {
      const [, seconds, sum] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['culvert-signature']);
      assert.equal(sum, createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'));
      assert.ok(Math.abs(Date.now() / 1000 - Number(seconds)) < 300);
      assert.equal(headers['culvert-event'], 'sign-in.failed');
      assert.equal(JSON.parse(body).event, 'sign-in.failed');
    }
    // The page says how it stands; an answer that never comes is told there, too.
    await visit(page, '/');
    await visit(page, '/webhooks');
    await card.getByText('delivered').waitFor();
    Object.assign(there.says, { refuse: 500, stays: true });
    await fail();
    for (;;) {
      await visit(page, '/');
      await visit(page, '/webhooks');
      if ((await card.innerText()).includes('HTTP status 500')) break;
      assert.ok(Date.now() < until + 60_000, await card.innerText());
    }
    // What it gave up is counted; that takes a day, or many of them.
    const webhooks = (await api(page, 'GET', '/api/v1/webhooks')).body.webhooks.map((hook) => ({ ...hook, dropped: 3 }));
    await page.route('**/api/v1/webhooks', (route) => route.fulfill({ json: { webhooks } }));
    await visit(page, '/');
    await visit(page, '/webhooks');
    await card.getByText('3 messages dropped').waitFor();
    await accessibleInBothThemes(page, 'a webhook that failed');
    await page.unroute('**/api/v1/webhooks');
    await card.getByRole('button', { name: /^Remove/ }).click();
    await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
    await card.waitFor({ state: 'detached' });
    assert.deepEqual(page.faults, []);
  } finally {
    there.stop();
  }
}
