// The demo page: the chat without and with the plugin, each with the Set-Cookie
// lines that it received. A script cannot read those: the stage's tap has noted
// them. Which cookies the browser kept, the service tells, from a request.

import './widget.mjs';
import { beside } from './sites.mjs';

document.querySelector('.company').textContent = location.host;

async function receptions(from) {
  return (await fetch(`/stage/receptions?from=${from}`)).json();
}

const first = await receptions(-1);

class Half {
  constructor(element) {
    this.name = element.dataset.service;
    this.service = beside(this.name);
    this.lines = new Map(); // by the cookie's name: the last line, and how many came
    const widget = document.createElement('chat-widget');
    widget.setAttribute('service', this.service);
    widget.setAttribute('nickname', 'Bo');
    widget.setAttribute('transport', 'long-polling');
    const title = document.createElement('h3');
    title.textContent = 'Set-Cookie lines that this chat received';
    this.list = document.createElement('ul');
    this.list.className = 'cookies';
    element.append(widget, title, this.list);
    widget.addEventListener('facts', () => this.soon());
    this.next = first.next;
    this.looking = Promise.resolve();
    this.soon();
  }

  // Looks once, a moment after the last of several changes, and never twice at
  // a time: an answer would count twice.
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.looking = this.looking.then(() => this.look(), console.error)), 200);
  }

  async look() {
    const { next, receptions: answers } = await receptions(this.next);
    this.next = next;
    for (const { service, request, lines } of answers) {
      if (service !== this.name || request === 'GET /genesys/session') continue; // that is the request below
      for (const line of lines) {
        const name = line.slice(0, line.indexOf('='));
        this.lines.set(name, { line, times: (this.lines.get(name)?.times ?? 0) + 1 });
      }
    }
    if (this.lines.size === 0) return;
    const { cookies } = await (await fetch(`${this.service}/genesys/session`, { credentials: 'include' })).json();
    const kept = new Set(cookies.map((pair) => pair.slice(0, pair.indexOf('='))));
    this.list.replaceChildren(...[...this.lines].map(([name, { line, times }]) => item(line, times, kept.has(name))));
  }
}

// One line, the attributes that decide marked, and what the browser did with it.
function item(line, times, kept) {
  const li = document.createElement('li');
  const code = document.createElement('code');
  for (const [i, part] of line.split('; ').entries()) {
    if (i > 0) code.append('; ');
    const element = document.createElement(/^(SameSite=None|Secure|Partitioned)$/.test(part) ? 'mark' : 'span');
    element.textContent = part;
    code.append(element);
  }
  const verdict = document.createElement('span');
  verdict.className = `verdict ${kept ? 'kept' : 'dropped'}`;
  verdict.textContent = (kept ? '✓ kept by this browser' : '✗ dropped by this browser') + (times > 1 ? `, received ${times} times` : '');
  li.append(code, verdict);
  return li;
}

for (const element of document.querySelectorAll('.half')) new Half(element);
