// The chat in a company's page, in browsers that block third-party cookies.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing } from './browsers.mjs';
import { browse, carried, distinct, named, names, open } from './helpers.mjs';
import { startStage } from './stage.mjs';

let stage, bank, shop;

before(async () => {
  stage = await startStage();
  [bank, shop] = stage.companies;
});
after(() => stage?.stop());

// The cookies that each transport brings. Over WebSocket the node sets none of
// its own, as Java's does not: the sticky one comes with the 101.
const cookies = {
  'long-polling': ['BAYEUX_BROWSER', 'gms_node'],
  websocket: ['gms_node'],
  rest: ['gms_node'],
};
const transports = Object.keys(cookies);

// Asserts that a partition holds those cookies, as the plugin writes them, and
// that nothing is outside of it.
async function holds(browser, embedder, wanted) {
  const jar = await browser.jar(embedder);
  assert.deepEqual(names(jar), wanted);
  for (const { name, sameSite, secure, httpOnly, path } of jar) {
    assert.deepEqual({ name, sameSite, secure, httpOnly, path }, { name, sameSite: 'none', secure: true, httpOnly: true, path: '/' });
  }
  assert.deepEqual(await browser.jar(), [], 'cookies without a partition');
  return jar;
}

for (const name of ['chromium', 'firefox']) {
  describe(`${name}, third-party cookies blocked`, { skip: missing(name) }, () => {
    test('long-polling without the plugin: the chat never opens', { timeout: 120000 }, async (t) => {
      const browser = await browse(t, name, 'blocked', stage);
      const chat = await open(browser, `${bank}/?service=gms-plain&transport=long-polling`);
      const { handshakes, reason, messages } = await chat.until('failed');
      assert.equal(handshakes, 8);
      assert.match(reason, /third-party cookies/);
      assert.deepEqual(messages, []);
      assert.deepEqual(await browser.jar(bank), []);
      assert.deepEqual(await browser.jar(), []);
    });

    test('WebSocket without the plugin: the chat ends with its connection', { timeout: 120000 }, async (t) => {
      const browser = await browse(t, name, 'blocked', stage);
      const chat = await open(browser, `${bank}/?service=gms-plain&transport=websocket`);
      await chat.until('open');
      await chat.say('before');
      const { nodes, transport } = await chat.facts();
      assert.equal(transport, 'websocket');
      assert.equal(distinct(nodes).length, 1);
      await stage.cutNode(nodes[0]);
      await chat.frame.waitForFunction(() => document.querySelector('chat-widget').facts.handshakes > 1, { timeout: 60000 });
      assert.deepEqual(await browser.jar(bank), []);
      assert.deepEqual(await browser.jar(), []);
    });

    test('REST without the plugin: the nodes change', { timeout: 120000 }, async (t) => {
      const browser = await browse(t, name, 'blocked', stage);
      const chat = await open(browser, `${bank}/?service=gms-plain&transport=rest`);
      await chat.until('open');
      await chat.converse(4);
      assert.equal(distinct((await chat.facts()).nodes).length, 3);
      assert.deepEqual(await browser.jar(bank), []);
      assert.deepEqual(await browser.jar(), []);
    });

    for (const transport of transports) {
      test(`${transport} with the plugin: one handshake, one node, ten messages both ways`, { timeout: 120000 }, async (t) => {
        const browser = await browse(t, name, 'blocked', stage);
        const chat = await open(browser, `${bank}/?transport=${transport}`);
        await chat.until('open');
        await chat.converse(10);
        const facts = await chat.facts();
        assert.equal(facts.transport, transport);
        assert.equal(facts.handshakes, transport === 'rest' ? 0 : 1);
        assert.equal(distinct(facts.nodes).length, 1, `nodes that answered: ${facts.nodes}`);
        await holds(browser, bank, cookies[transport]);
      });

      test(`${transport}: the node dies in mid-conversation`, { timeout: 120000 }, async (t) => {
        const browser = await browse(t, name, 'blocked', stage);
        const chat = await open(browser, `${bank}/?transport=${transport}`);
        await chat.until('open');
        await chat.converse(2, 'before');
        const { nodes } = await chat.facts();
        const [old] = named(await browser.jar(bank), 'gms_node');
        await stage.stopNode(nodes[0]);
        t.after(() => stage.startNode(nodes[0]));
        await chat.converse(3, 'after');
        const after = (await chat.facts()).nodes.slice(nodes.length);
        assert.equal(distinct(after).length, 1, `nodes that answered after it: ${after}`);
        assert.notEqual(after[0], nodes[0]);
        const [renewed] = named(await holds(browser, bank, cookies[transport]), 'gms_node');
        assert.notEqual(renewed.value, old.value);
      });

      test(`${transport} on the service's own page`, { timeout: 120000 }, async (t) => {
        const browser = await browse(t, name, 'blocked', stage);
        const chat = await open(browser, `${stage.service}/?transport=${transport}`);
        await chat.until('open');
        await chat.converse(3);
        const { nodes, handshakes } = await chat.facts();
        assert.equal(distinct(nodes).length, 1);
        assert.equal(handshakes, transport === 'rest' ? 0 : 1);
        await holds(browser, stage.service, cookies[transport]);
      });

      test(`${transport} in a frame of the service`, { timeout: 120000 }, async (t) => {
        const browser = await browse(t, name, 'blocked', stage);
        const chat = await open(browser, `${bank}/?embed=frame&transport=${transport}`);
        await chat.until('open');
        await chat.converse(3);
        assert.equal(distinct((await chat.facts()).nodes).length, 1);
        await holds(browser, bank, cookies[transport]);
      });
    }

    test('two companies: the same person has other cookies on each', { timeout: 120000 }, async (t) => {
      const browser = await browse(t, name, 'blocked', stage);
      const first = await open(browser, `${bank}/?transport=long-polling`);
      await first.until('open');
      const atBank = await holds(browser, bank, cookies['long-polling']);
      const second = await open(browser, `${shop}/?transport=long-polling`);
      await second.until('open');
      const atShop = await holds(browser, shop, cookies['long-polling']);
      const pairs = (jar) => jar.map((c) => `${c.name}=${c.value}`).sort();
      assert.notEqual(named(atShop, 'BAYEUX_BROWSER')[0].value, named(atBank, 'BAYEUX_BROWSER')[0].value);
      await second.converse(2, 'at the shop');
      await first.page.bringToFront();
      await first.converse(2, 'at the bank');
      for (const [chat, jar] of [[first, atBank], [second, atShop]]) {
        assert.deepEqual((await chat.session(stage.service)).cookies.sort(), pairs(jar));
        const { handshakes, nodes } = await chat.facts();
        assert.equal(handshakes, 1);
        assert.equal(distinct(nodes).length, 1);
      }
      assert.deepEqual(await browser.jar(bank), atBank);
    });

    test('WebSocket: the 101 sets the sticky cookie, and after a cut the chat goes on', { timeout: 120000 }, async (t) => {
      const browser = await browse(t, name, 'blocked', stage);
      const chat = await open(browser, `${bank}/?transport=websocket`);
      await chat.until('open');
      const jar = await holds(browser, bank, ['gms_node']);
      for (const round of ['once', 'twice']) {
        await chat.converse(2, round);
        await stage.cutNode((await chat.facts()).nodes[0]);
        await chat.until('interrupted');
        await chat.until('open');
      }
      await chat.converse(2, 'afterwards');
      const { handshakes, nodes, transport } = await chat.facts();
      assert.equal(transport, 'websocket');
      assert.equal(handshakes, 1);
      assert.equal(distinct(nodes).length, 1);
      assert.deepEqual(await browser.jar(bank), jar);
    });

    test('a reload, a second tab, and a log-out: nothing is left behind', { timeout: 120000 }, async (t) => {
      const browser = await browse(t, name, 'blocked', stage);
      const address = `${bank}/?transport=long-polling`;
      const chat = await open(browser, address);
      await chat.until('open');
      await chat.say('hello');
      const jar = await holds(browser, bank, cookies['long-polling']);
      const { nodes } = await chat.facts();

      await chat.page.reload();
      await chat.until('open');
      await chat.hear('You said: hello'); // the same chat
      await chat.say('again');
      const tab = await open(browser, address);
      await tab.until('open');
      await tab.say('in a second tab');
      for (const c of [chat, tab]) {
        const facts = await c.facts();
        assert.equal(facts.handshakes, 1);
        assert.deepEqual(distinct(facts.nodes), [nodes[0]]);
      }
      assert.deepEqual(await browser.jar(bank), jar);

      await chat.session(stage.service, 'login');
      assert.deepEqual(carried(await chat.session(stage.service)), ['BAYEUX_BROWSER', 'JSESSIONID', 'gms_node']);
      for (const c of [chat, tab]) {
        await c.frame.evaluate(() => document.querySelector('chat-widget').chat.end());
        await c.until('ended');
      }
      await chat.session(stage.service, 'logout');
      assert.deepEqual(carried(await chat.session(stage.service)), ['gms_node']);
      await holds(browser, bank, ['gms_node']);
    });
  });
}
