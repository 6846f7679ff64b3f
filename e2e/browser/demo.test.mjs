// The demo page at http://*.localhost, in browsers that have neither a
// certificate nor a name of ours.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, missing } from './browsers.mjs';
import { openDemo, startDemo } from './demo.mjs';
import { control } from './helpers.mjs';

let demo;

before(async () => (demo = await startDemo()));

// What a half shows: the lines, each with its verdict.
const cookies = (page, half) => page.$$eval(`${half} .cookies li`, (items) => items.map((item) => item.textContent));

for (const [name, profile] of [['chromium', 'allowed'], ['chromium', 'blocked'], ['firefox', 'blocked']]) {
  describe(`${name}, third-party cookies ${profile}`, { skip: missing(name) }, () => {
    test('the demo page tells at one look', { timeout: 120000 }, async (t) => {
      const browser = await launch(name, profile);
      t.after(() => browser.close());
      const { origin } = new URL(demo.address);
      await control(browser, profile, origin, origin.replace('bank', 'gms-plain'));
      const page = await openDemo(browser, demo.address, { width: 1280, height: 1000 });
      const without = await cookies(page, '[data-service=gms-plain]');
      assert.match(without.join('\n'), /^BAYEUX_BROWSER=\w+; Path=\/; HttpOnly✗ dropped by this browser, received 8 times$/m);
      assert.match(without.join('\n'), /^gms_node=\w+; Path=\/✗ dropped by this browser, received \d+ times$/m);
      const with_ = await cookies(page, '[data-service=gms]');
      assert.match(with_.join('\n'), /^BAYEUX_BROWSER=\w+; SameSite=None; HttpOnly; Secure; Path=\/; Partitioned✓ kept by this browser$/m);
      assert.match(with_.join('\n'), /^gms_node=\w+; Path=\/; SameSite=None; HttpOnly; Secure; Partitioned✓ kept by this browser$/m);
      const reason = await page.$eval('[data-service=gms-plain] >>> .reason', (element) => element.textContent);
      assert.match(reason, /keeps no cookies of this service/);
    });

    test('by keyboard', { timeout: 120000 }, async (t) => {
      const browser = await launch(name, profile);
      t.after(() => browser.close());
      const page = await openDemo(browser, demo.address, { width: 1280, height: 1000 });
      // The focus walks through everything that can be used; the message field of
      // the chat that works comes after a choice of transport in either half.
      const focused = () => page.evaluate(() => {
        const widget = document.activeElement;
        return `${widget.closest?.('.half')?.dataset.service} ${widget.shadowRoot?.activeElement?.localName}`;
      });
      const walk = [];
      while (walk.at(-1) !== 'gms input' && walk.length < 20) {
        await page.keyboard.press('Tab');
        walk.push(await focused());
      }
      assert.deepEqual(walk, ['gms-plain select', 'gms-plain button', 'gms select', 'gms ol', 'gms input']);
      await page.keyboard.type('Hello from the keyboard');
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => [...document.querySelectorAll('chat-widget')][1].facts.messages.some(({ text }) => text === 'You said: Hello from the keyboard'), { timeout: 60000 });
      const answer = await page.$eval('[data-service=gms] >>> li:last-child', (element) => element.textContent);
      assert.match(answer, /^Agent You said: Hello from the keyboard node [ABC]$/);
    });

    test('on a phone', { timeout: 120000 }, async (t) => {
      const browser = await launch(name, profile);
      t.after(() => browser.close());
      const page = await openDemo(browser, demo.address, { width: 360, height: 740 });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `the page is ${width} pixels wide`);
    });
  });
}

describe('the end', () => {
  // The last test of the file: the demo is gone after it.
  test('Ctrl-C ends the demo and all that it started', { timeout: 60000 }, async () => {
    demo.interrupt();
    assert.equal(await demo.exited, 0);
    const alive = () => {
      try {
        return process.kill(-demo.group, 0);
      } catch {
        return false;
      }
    };
    while (alive()) await new Promise((resolve) => setTimeout(resolve, 50));
  });
});

after(async () => {
  try {
    demo?.interrupt();
  } catch {
    return; // it has ended, as it should have
  }
  await demo?.exited;
});
