// Chromium and Firefox, as Debian has them, driven by one library, and their
// cookie jars. A profile says what the browser does with third-party cookies.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const executables = {
  chromium: ['/usr/bin/chromium'],
  firefox: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
};

// The path of a browser, or undefined. CHROMIUM and FIREFOX name others.
function executable(browser) {
  const named = process.env[browser.toUpperCase()];
  return named ?? executables[browser].find(existsSync);
}

// What a test is to be skipped for: a browser that this machine does not have.
// CI has them all.
export function missing(browser) {
  if (executable(browser)) return false;
  if (process.env.CI) throw new Error(`${browser} is not installed`);
  return `${browser} is not installed: apt-get install ${browser === 'firefox' ? 'firefox-esr' : browser}`;
}

const sites = ['bank.test', 'shop.test', 'gms.test', 'gms-plain.test', 'widget.test'];

// cookie_controls_mode: 1 blocks third-party cookies, 0 allows them. A new
// profile of Debian's Chromium blocks them as well.
const chromium = { blocked: 1, allowed: 0 };

// Firefox keeps third-party cookies in a jar for each embedding site whatever
// they say, unless it is told to want Partitioned. cookieBehavior 0 allows them
// unpartitioned.
const firefox = {
  blocked: { 'network.cookie.cookieBehavior.optInPartitioning': true },
  allowed: { 'network.cookie.cookieBehavior': 0 },
  'without CHIPS': { 'network.cookie.cookieBehavior': 0, 'network.cookie.CHIPS.enabled': false },
};

// Starts a browser with a profile of that kind in a folder of its own. Close it.
export async function launch(browser, profile) {
  const userDataDir = mkdtempSync(join(tmpdir(), 'traefik-chips-browser-'));
  const options = { browser: browser === 'chromium' ? 'chrome' : browser, executablePath: executable(browser), userDataDir, acceptInsecureCerts: true };
  if (browser === 'chromium') {
    mkdirSync(join(userDataDir, 'Default'));
    writeFileSync(join(userDataDir, 'Default', 'Preferences'), JSON.stringify({ profile: { cookie_controls_mode: chromium[profile] } }));
    options.args = [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--disable-dev-shm-usage', '--host-resolver-rules=MAP *.test 127.0.0.1', '--ignore-certificate-errors',
    ];
  } else {
    options.args = ['--remote-allow-system-access']; // for the jar
    options.extraPrefsFirefox = { 'network.dns.localDomains': sites.join(','), ...firefox[profile] };
  }
  const instance = await puppeteer.launch(options);
  instance.jar = browser === 'chromium' ? await chromiumJar(instance) : firefoxJar(instance);
  const close = instance.close.bind(instance);
  instance.close = async () => {
    await close();
    rmSync(userDataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  return instance;
}

// A jar is a function that returns the cookies of one partition: that of the
// embedding site at an origin, or of no site, with their attributes under the
// names of the standard.

async function chromiumJar(instance) {
  const session = await instance.target().createCDPSession();
  const read = async (embedder) => {
    const site = embedder && embedder.replace(/:\d+$/, '');
    const { cookies } = await session.send('Storage.getCookies');
    return cookies
      .filter(({ partitionKey }) => partitionKey?.topLevelSite === site)
      .map(({ name, value, domain, path, secure, httpOnly, sameSite = 'default' }) => (
        { name, value, domain, path, secure, httpOnly, sameSite: sameSite.toLowerCase() }));
  };
  return Object.assign(read, { clear: () => session.send('Storage.clearCookies') });
}

// WebDriver BiDi's own storage.getCookies does not tell the partition, so this
// asks the browser's own cookie service.
function firefoxJar(instance) {
  const send = async (method, parameters) => (await instance.connection.send(method, parameters)).result;
  const sameSites = { 0: 'none', 1: 'lax', 2: 'strict', 256: 'default' };
  const expression = `JSON.stringify(Services.cookies.cookies.map(
    ({ name, value, host, path, isSecure, isHttpOnly, sameSite, originAttributes: { partitionKey } }) =>
      ({ name, value, host, path, isSecure, isHttpOnly, sameSite, partitionKey })))`;
  return async (embedder) => {
    const { protocol, hostname } = embedder ? new URL(embedder) : {};
    const key = embedder ? `(${protocol.slice(0, -1)},${hostname})` : '';
    const { contexts: [{ context }] } = await send('browsingContext.getTree', { 'moz:scope': 'chrome' });
    const { result } = await send('script.evaluate', { expression, target: { context }, awaitPromise: false });
    return JSON.parse(result.value)
      .filter(({ partitionKey }) => partitionKey === key)
      .map(({ name, value, host, path, isSecure, isHttpOnly, sameSite }) => (
        { name, value, domain: host, path, secure: isSecure, httpOnly: isHttpOnly, sameSite: sameSites[sameSite] }));
  };
}
