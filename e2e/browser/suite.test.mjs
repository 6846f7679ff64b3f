// Thousands of Set-Cookie lines, of other projects' tests and of the wild, with
// what Chromium stored of each as a first-party cookie: once a line has passed
// the plugin, it is stored as a partitioned third-party cookie with the same name
// and value; and nothing else is.
//
// SET_COOKIE_LINES names the file; without it, one beside the checkout is used.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from './browsers.mjs';
import { browse } from './helpers.mjs';
import { startStage } from './stage.mjs';

const file = process.env.SET_COOKIE_LINES ?? fileURLToPath(new URL('../../../shared/suites/set-cookie-lines.json', import.meta.url));

// Lines that Chromium refused, and stores once they have passed the plugin:
// the rule mends what they were refused for.
const exceptions = {
  'SameSite=None needs Secure, which the rule adds': [
    'c0341', 'c0562', 'c0618', 'c0911', 'c0912', 'c0913', 'c0914', 'c1488', 'c2154', 'c2222', 'c2223',
    'c2323', 'c2410', 'c2435',
  ],
  'Partitioned needs Secure, which the rule adds': [
    'c0366', 'c0919', 'c0920', 'c0921', 'c2217',
  ],
  '__Host- and __Secure- need Secure, which the rule adds': [
    'c0389', 'c0390', 'c0391', 'c0392', 'c0393', 'c0415', 'c0420', 'c1346', 'c1347', 'c1945', 'c2057',
    'c2318', 'c2526', 'c2529', 'c2532', 'c2535', 'c2539', 'c2543', 'c2545', 'c2615', 's058',
  ],
  'a tab inside of the value of SameSite, which the rule takes out': [
    'c1487',
  ],
};

function skip() {
  if (missing('chromium')) return missing('chromium');
  if (existsSync(file)) return false;
  return `left out: there is no ${file}`;
}

// A node that answers /app/dir/set?N with the bytes of line N.
async function serve(t, lines) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    let request = '';
    socket.on('data', (chunk) => {
      request += chunk;
      if (!request.includes('\r\n\r\n')) return;
      const line = lines[Number(/\?(\d+) /.exec(request)[1])];
      request = '';
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nSet-Cookie: ');
      socket.write(line);
      socket.write('\r\n\r\n');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `127.0.0.1:${server.address().port}`;
}

describe('chromium, third-party cookies blocked', { skip: skip() }, () => {
  test('every line that is stored as first party is stored as partitioned', { timeout: 600000 }, async (t) => {
    // NUL, CR and LF cannot stand in a header field: nothing is recorded for such lines.
    const cases = JSON.parse(readFileSync(file, 'utf8')).cases.filter(({ input, chromium }) => {
      assert.equal(chromium === undefined, /[\0\r\n]/.test(input));
      return chromium;
    });
    assert.ok(cases.length > 2000);
    const route = await serve(t, cases.map(({ input, input_b64 }) => (input_b64 ? Buffer.from(input_b64, 'base64') : Buffer.from(input))));
    const stage = await startStage('-route', route);
    t.after(() => stage.stop());
    const browser = await browse(t, 'chromium', 'blocked', stage);
    // Several lines at a time, each on an embedding site of its own, where
    // Traefik's 404 is page enough.
    const lanes = await Promise.all([...Array(8).keys()].map(async (n) => {
      const page = await browser.newPage();
      const site = stage.widget.replace('widget', `embedder-${n}`);
      await page.goto(site);
      return { page, site };
    }));

    const found = {};
    let stored = 0;
    const check = async ({ page, site }, i) => {
      const failed = await page.evaluate(async (url) => {
        try {
          await fetch(url, { mode: 'no-cors', credentials: 'include' });
        } catch (error) {
          return String(error);
        }
      }, `${stage.widget}/app/dir/set?${i}`);
      const pairs = JSON.stringify((await browser.jar(site)).map(({ name, value }) => [name, value]));
      const { id, chromium } = cases[i];
      const wanted = chromium.stored === false ? '[]' : JSON.stringify([[chromium.name, chromium.value]]);
      if (wanted !== '[]') stored++;
      if (failed || pairs !== wanted) found[id] = `${failed ?? ''} stored ${pairs}; wanted ${wanted}`;
    };
    for (let i = 0; i < cases.length; i += lanes.length) {
      await Promise.all(lanes.slice(0, cases.length - i).map((lane, n) => check(lane, i + n)));
      assert.deepEqual(await browser.jar(), [], `cookies without a partition, lines ${i} to ${i + lanes.length - 1}`);
      await browser.jar.clear();
    }
    const excepted = Object.values(exceptions).flat();
    t.diagnostic(`${cases.length} lines, ${stored} of them stored as first party, ${excepted.length} exceptions`);
    for (const id of excepted) {
      assert.ok(found[id], `${id} is no exception any more`);
      delete found[id];
    }
    assert.deepEqual(found, {});
  });
});
