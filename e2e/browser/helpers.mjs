// What the browser tests share: pages with the chat, and what they show.

import assert from 'node:assert/strict';
import { launch } from './browsers.mjs';

export const names = (cookies) => cookies.map(({ name }) => name).sort();
export const named = (cookies, name) => cookies.filter((c) => c.name === name);
export const distinct = (list) => [...new Set(list)];

// Proves that a browser blocks third-party cookies, or that it allows them: a
// plain `SameSite=None; Secure` cookie of the service, in a company's page, is
// dropped, or kept, in this very run.
export async function control(instance, profile, company, plain) {
  const page = await instance.newPage();
  await page.goto(`${company}/page.css`);
  const status = await page.evaluate(async (url) => (await fetch(url, { credentials: 'include' })).status, `${plain}/control`);
  assert.equal(status, 200);
  const kept = [...(await instance.jar()), ...(await instance.jar(company))];
  assert.deepEqual(names(kept), profile === 'blocked' ? [] : ['control'], `the control of a browser with third-party cookies ${profile}`);
  await page.close();
}

// Starts a browser for one test, with its control.
export async function browse(t, browser, profile, stage) {
  const instance = await launch(browser, profile);
  instance.chats = [];
  t.after(async () => {
    await report(t, instance, stage);
    await instance.close();
  });
  await control(instance, profile, stage.companies[0], stage.plain);
  return instance;
}

// Names, in the test's output, what the jar held at its end and which nodes
// answered.
async function report(t, browser, stage) {
  for (const site of [...stage.companies, stage.service, undefined]) {
    const jar = await browser.jar(site);
    if (jar.length > 0) t.diagnostic(`${site ? `partition of ${new URL(site).hostname}` : 'no partition'}: ${jar.map((c) => `${c.name}=${c.value}`).join(', ')}`);
  }
  for (const chat of browser.chats) {
    const { handshakes, nodes } = await chat.facts();
    t.diagnostic(`${chat.page.url()}: nodes ${nodes.join(' ') || 'none'}, handshakes ${handshakes}`);
  }
}

// Opens a page with the chat. The frame of the returned Chat is where it lives.
export async function open(browser, address) {
  const page = await browser.newPage();
  await page.goto(address);
  const frame = address.includes('embed=frame')
    ? await page.waitForFrame((candidate) => candidate !== page.mainFrame() && candidate.url().startsWith('https://'))
    : page;
  const chat = new Chat(page, frame);
  browser.chats.push(chat);
  return chat;
}

export class Chat {
  constructor(page, frame) {
    Object.assign(this, { page, frame });
  }

  facts() {
    return this.frame.evaluate(() => document.querySelector('chat-widget').facts);
  }

  // Waits until the chat is in one of those states.
  async until(...states) {
    try {
      await this.frame.waitForFunction((s) => s.includes(document.querySelector('chat-widget')?.facts?.state), { timeout: 60000, polling: 50 }, states);
    } catch (error) {
      throw new Error(`not ${states}: ${JSON.stringify(await this.facts())}`, { cause: error });
    }
    return this.facts();
  }

  // Says something and waits for the agent's answer.
  async say(text) {
    await this.frame.evaluate((message) => document.querySelector('chat-widget').send(message), text);
    await this.hear(`You said: ${text}`);
  }

  async hear(text) {
    const heard = (wanted) => document.querySelector('chat-widget')?.facts?.messages.some((m) => m.from === 'Agent' && m.text === wanted);
    try {
      await this.frame.waitForFunction(heard, { timeout: 60000, polling: 50 }, text);
    } catch (error) {
      throw new Error(`the agent never said "${text}": ${JSON.stringify(await this.facts())}`, { cause: error });
    }
  }

  // A conversation of so many messages, each answered.
  async converse(count, topic = 'message') {
    for (let i = 1; i <= count; i++) await this.say(`${topic} ${i}`);
    const { messages } = await this.facts();
    const texts = messages.map(({ from, text }) => `${from}: ${text}`);
    for (let i = 1; i <= count; i++) {
      for (const said of [`Bo: ${topic} ${i}`, `Agent: You said: ${topic} ${i}`]) {
        assert.equal(texts.filter((text) => text === said).length, 1, `"${said}" once in ${JSON.stringify(texts)}`);
      }
    }
  }

  // The cookies that a request of this page to the service carried: those of
  // /genesys/session, or of what that does.
  async session(service, operation = '') {
    const url = `${service}/genesys/session${operation && `/${operation}`}`;
    return this.frame.evaluate(async (u) => (await fetch(u, { credentials: 'include' })).json(), url);
  }
}

// The names of the cookies of a request, of `name=value` pairs.
export const carried = ({ cookies }) => cookies.map((pair) => pair.slice(0, pair.indexOf('='))).sort();
