// The demo as a person starts it, and its page.

import { run } from './stage.mjs';

export async function startDemo() {
  const { process: child, exited, lines } = await run(['-demo'], (line) => line.includes('Ctrl-C'));
  const address = lines.join('\n').match(/http:\/\/\S+/)[0];
  // As Ctrl-C does, to the whole group.
  return { address, interrupt: () => process.kill(-child.pid, 'SIGINT'), group: child.pid, exited };
}

// Opens the page and waits until both halves have come to their end: the one
// chat has failed, the other is open, and each has its verdicts.
export async function openDemo(browser, address, { width, height }) {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.goto(address);
  await page.waitForFunction(() => {
    const [without, with_] = document.querySelectorAll('chat-widget');
    const verdicts = [...document.querySelectorAll('.half')].map((half) => half.querySelectorAll('.verdict').length);
    return without?.dataset.state === 'failed' && with_?.dataset.state === 'open' && verdicts.every((n) => n === 2);
  }, { timeout: 60000, polling: 50 });
  return page;
}
