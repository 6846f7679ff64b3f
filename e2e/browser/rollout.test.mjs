// The roll-out: browsers that hold cookies from before the plugin, on the
// service's own pages and, with third-party cookies allowed, on a company's;
// and `embeddedOnly`, which leaves the service's own pages alone.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { missing } from './browsers.mjs';
import { browse, carried, distinct, named, names, open } from './helpers.mjs';
import { startStage } from './stage.mjs';

let stage;
const plugin = { affinity: { cookies: ['gms_node'] } };

before(async () => (stage = await startStage()));
afterEach(() => stage.configure(plugin));
after(() => stage?.stop());

// What stood before: cookies as the nodes and Traefik make them, or, since no
// cookie of an embedded service lives without it, SameSite=None alone.
const pages = {
  "the service's own page": { address: () => stage.service, from: undefined },
  "a company's page": { address: () => stage.companies[0], from: { cookies: [{ name: '*', set: ['SameSite=None', 'Secure'] }] } },
};

for (const [name, profiles] of Object.entries({ chromium: ['allowed'], firefox: ['allowed', 'without CHIPS'] })) {
  for (const profile of profiles) {
    describe(`${name}, third-party cookies ${profile}`, { skip: missing(name) }, () => {
      for (const [place, { address, from }] of Object.entries(pages)) {
        test(`cookies from before the roll-out, on ${place}`, { timeout: 120000 }, async (t) => {
          await stage.configure(from);
          const browser = await browse(t, name, profile, stage);
          const site = address();
          const chat = await open(browser, `${site}/?transport=long-polling`);
          await chat.until('open');
          await chat.session(stage.service, 'login');
          const all = ['BAYEUX_BROWSER', 'JSESSIONID', 'gms_node'];
          const jar = async () => (await browser.jar()).filter((c) => c.name !== 'control');
          assert.deepEqual(names(await jar()), all);
          assert.deepEqual(await browser.jar(site), []);

          // The chat does not notice the roll-out.
          await stage.configure(plugin);
          await chat.converse(3, 'after the roll-out');
          const { handshakes, nodes } = await chat.facts();
          assert.equal(handshakes, 1);
          assert.equal(distinct(nodes).length, 1);

          // A login renews the cookie that browsers would send twice.
          const old = named(await jar(), 'JSESSIONID')[0].value;
          await chat.session(stage.service, 'login');
          const { cookies } = await chat.session(stage.service);
          const renewed = cookies.filter((pair) => pair.startsWith('JSESSIONID='));
          assert.equal(renewed.length, 1, `JSESSIONID in ${cookies}`);
          assert.notEqual(renewed[0], `JSESSIONID=${old}`);

          // The node dies: affinity is whole after the one request that finds out.
          const { node } = await chat.session(stage.service);
          assert.equal(node, nodes[0]);
          await stage.stopNode(node);
          try {
            await chat.converse(2, 'after the death of the node');
          } finally {
            await stage.startNode(node);
          }
          const later = await chat.facts();
          const survivor = later.nodes.slice(nodes.length);
          assert.equal(distinct(survivor).length, 1, `nodes that answered after it: ${survivor}`);
          assert.equal(later.handshakes, 2);
          const after = await chat.session(stage.service);
          assert.equal(after.node, survivor[0]);
          assert.equal(after.cookies.filter((pair) => pair.startsWith('gms_node=')).length, 1, `gms_node in ${after.cookies}`);
          const partitioned = profile === 'without CHIPS' ? await jar() : await browser.jar(site);
          assert.equal(named(partitioned, 'gms_node').length, 1);
          assert.equal(named(partitioned, 'JSESSIONID').length, 1);
          if (profile !== 'without CHIPS') assert.deepEqual(names(await jar()), ['BAYEUX_BROWSER'], 'what is left from before: nothing has set it anew');

          // A log-out leaves none.
          await chat.frame.evaluate(() => document.querySelector('chat-widget').chat.end());
          await chat.until('ended');
          await chat.session(stage.service, 'logout');
          assert.deepEqual(carried(await chat.session(stage.service)), ['gms_node']);
          assert.deepEqual(names([...(await jar()), ...(profile === 'without CHIPS' ? [] : await browser.jar(site))]), ['gms_node']);
        });
      }
    });
  }
}

describe('chromium, third-party cookies blocked', { skip: missing('chromium') }, () => {
  test('embeddedOnly, a limit: the WebSocket of a frame of the service passes for one of its own page', { timeout: 120000 }, async (t) => {
    await stage.configure({ ...plugin, embeddedOnly: true });
    const browser = await browse(t, 'chromium', 'blocked', stage);
    const chat = await open(browser, `${stage.companies[0]}/?embed=frame&transport=websocket`);
    await chat.until('open');
    assert.deepEqual(await browser.jar(stage.companies[0]), []);
    assert.deepEqual(await browser.jar(), []);
  });
});

for (const name of ['chromium', 'firefox']) {
  for (const profile of ['blocked', 'allowed']) {
    for (const transport of ['long-polling', 'websocket']) {
      describe(`${name}, third-party cookies ${profile}`, { skip: missing(name) }, () => {
        test(`embeddedOnly over ${transport}: the service's own page and a company's`, { timeout: 120000 }, async (t) => {
          await stage.configure({ ...plugin, embeddedOnly: true });
          const browser = await browse(t, name, profile, stage);
          const [bank] = stage.companies;
          const wanted = transport === 'websocket' ? ['gms_node'] : ['BAYEUX_BROWSER', 'gms_node'];
          const jar = async () => (await browser.jar()).filter((c) => c.name !== 'control');

          const own = await open(browser, `${stage.service}/?transport=${transport}`);
          await own.until('open');
          const asMade = await jar();
          assert.deepEqual(names(asMade), wanted);
          for (const c of asMade) {
            assert.equal(c.secure, false);
            assert.match(c.sameSite, /^(lax|default)$/); // what is not said is Lax
            assert.equal(c.httpOnly, c.name === 'BAYEUX_BROWSER'); // as node and Traefik make them
          }
          assert.deepEqual(await browser.jar(stage.service), []);

          const embedded = await open(browser, `${bank}/?transport=${transport}`);
          await embedded.until('open');
          const partitioned = await browser.jar(bank);
          // Firefox does not take a cookie without SameSite for Lax: where
          // third-party cookies are allowed, it sends those of the own page.
          const lent = name === 'firefox' && profile === 'allowed';
          assert.deepEqual(names(partitioned), lent ? [] : wanted);
          for (const c of partitioned) assert.deepEqual([c.secure, c.sameSite, c.httpOnly], [true, 'none', true]);

          await embedded.converse(2, 'embedded');
          await own.page.bringToFront();
          await own.converse(2, 'first party');
          for (const chat of [own, embedded]) {
            const facts = await chat.facts();
            assert.equal(facts.transport, transport);
            assert.equal(facts.handshakes, 1);
            assert.equal(distinct(facts.nodes).length, 1);
          }
          assert.deepEqual(await jar(), asMade);
          assert.deepEqual(await browser.jar(bank), partitioned);
        });
      });
    }
  }
}
