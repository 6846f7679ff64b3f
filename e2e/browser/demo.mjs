// The demo as a person starts it, and its page.

import { run } from './stage.mjs';

export async function startDemo() {
  const { process: child, exited, lines } = await run(['-demo'], (line) => line.includes('Ctrl-C'));
  const address = lines.join('\n').match(/http:\/\/\S+/)[0];
  // As Ctrl-C does, to the whole group.
  return { address, interrupt: () => process.kill(-child.pid, 'SIGINT'), group: child.pid, exited };
}

// Opens the page and waits until both halves have come to their end: the one
// chat has failed, the other is open, and each has its verdicts, on all that the
// failed one received.
export async function openDemo(browser, address, { width, height }) {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.goto(address);
  await page.waitForFunction(() => {
    const [without, with_] = document.querySelectorAll('chat-widget');
    const halves = [...document.querySelectorAll('.half')];
    return without?.dataset.state === 'failed' && with_?.dataset.state === 'open' && halves.every((half) => half.querySelectorAll('.verdict').length === 2) &&
      halves[0].textContent.includes(`received ${without.facts.handshakes} times`);
  }, { timeout: 60000, polling: 50 });
  return page;
}
