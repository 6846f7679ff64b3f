// Takes the pictures of the demo page that the README shows:
//
//   node browser/screenshots.mjs FOLDER

import { join } from 'node:path';
import { launch } from './browsers.mjs';
import { openDemo, startDemo } from './demo.mjs';

const [folder] = process.argv.slice(2);
const demo = await startDemo();
try {
  for (const theme of ['light', 'dark']) {
    const browser = await launch('chromium', 'blocked');
    try {
      const page = await openDemo(browser, demo.address, { width: 1120, height: 900 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      await page.evaluate(async () => {
        const widget = document.querySelectorAll('chat-widget')[1];
        for (const text of ['My parcel has not come.', 'It was sent on Monday.']) {
          widget.send(text);
          while (!widget.facts.messages.some((m) => m.text === `You said: ${text}`)) await new Promise((resolve) => setTimeout(resolve, 50));
        }
      });
      await page.screenshot({ path: join(folder, `demo-${theme}.png`), fullPage: true });
    } finally {
      await browser.close();
    }
  }
} finally {
  demo.interrupt();
  await demo.exited;
}
