// <chat-widget service="https://gms.example" transport="websocket" nickname="Bo">
//
// A chat window that a person can use. For tests and the demo its property
// `facts` tells what happened, and each change fires the event `facts`.

import { CometDChat, RESTChat } from './chat.mjs';

const transports = { websocket: 'WebSocket', 'long-polling': 'Long-polling', rest: 'REST' };

const states = {
  idle: 'Not connected',
  connecting: 'Connecting …',
  open: 'Connected',
  interrupted: 'Interrupted, trying again …',
  ended: 'Chat ended',
  failed: 'Gave up',
};

const template = document.createElement('template');
template.innerHTML = `
<link rel="stylesheet" href="/widget.css">
<section aria-label="Chat">
  <header>
    <p class="state" role="status"><span class="lamp" aria-hidden="true"></span><span class="text"></span></p>
    <label>Transport <select></select></label>
  </header>
  <dl>
    <div><dt>Nodes that answered</dt><dd class="nodes">–</dd></div>
    <div><dt>Handshakes</dt><dd class="handshakes">0</dd></div>
  </dl>
  <p class="reason" role="alert" hidden></p>
  <ol role="log" aria-label="Messages" tabindex="0"></ol>
  <form>
    <input name="message" aria-label="Message" placeholder="Write a message" autocomplete="off" maxlength="1000" required>
    <button>Send</button>
    <button type="button" class="end">End</button>
  </form>
</section>`;

class ChatWidget extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot) return;
    const root = this.attachShadow({ mode: 'open' });
    root.append(template.content.cloneNode(true));
    this.find = (selector) => root.querySelector(selector);
    const select = this.find('select');
    for (const [value, text] of Object.entries(transports)) select.add(new Option(text, value));
    select.value = this.getAttribute('transport') ?? 'websocket';
    select.addEventListener('change', () => this.start(select.value));
    this.find('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.send(event.target.message.value);
      event.target.reset();
    });
    this.find('.end').addEventListener('click', () => (this.chat.closed ? this.start(select.value) : this.chat.end()));
    this.start(select.value);
  }

  // Begins over that transport; a chat that is open goes on.
  start(transport) {
    if (this.chat && !this.chat.closed) this.chat.close('idle');
    this.find('ol').replaceChildren();
    this.facts = { state: 'idle', reason: '', handshakes: 0, transport: '', messages: [], nodes: [] };
    let current = true;
    this.retire?.();
    this.retire = () => (current = false);
    const on = {
      state: (state, reason = '') => current && this.change({ state, reason }),
      handshake: () => current && this.change({ handshakes: this.facts.handshakes + 1 }),
      messages: (messages, node) => current && this.show(messages, node),
    };
    const arguments_ = [this.getAttribute('service'), this.getAttribute('nickname') ?? 'Guest', on];
    this.chat = transport === 'rest' ? new RESTChat(...arguments_) : new CometDChat(...arguments_, { websocket: transport === 'websocket' });
    this.chat.start();
  }

  send(text) {
    this.chat.send(text);
  }

  show(messages, node) {
    const list = this.find('ol');
    const said = messages.map(({ from, type, text }) => ({ from: from.nickname, type, text: text ?? '', node }));
    for (const { from, type, text } of said) {
      const item = document.createElement('li');
      item.className = type === 'Message' ? (from === 'Agent' ? 'agent' : 'client') : 'notice';
      const name = document.createElement('b');
      name.textContent = from;
      const words = document.createElement('span');
      words.textContent = type === 'Message' ? text : { ParticipantJoined: 'joined', ParticipantLeft: 'left' }[type] ?? type;
      const answered = document.createElement('small');
      answered.textContent = `node ${node}`;
      item.append(name, ' ', words, ' ', answered);
      list.append(item);
    }
    list.scrollTop = list.scrollHeight;
    this.change({ messages: [...this.facts.messages, ...said], nodes: [...this.facts.nodes, node] });
  }

  change(facts) {
    Object.assign(this.facts, facts, { transport: this.chat?.transport ?? '' });
    const { state, reason, handshakes, nodes, transport } = this.facts;
    const fellBack = state === 'open' && transport !== this.find('select').value;
    this.dataset.state = state;
    this.find('.text').textContent = states[state] + (fellBack ? ` over ${transports[transport]}` : '');
    this.find('.handshakes').textContent = handshakes;
    this.find('.nodes').textContent = [...new Set(nodes)].join(', ') || '–';
    this.find('.reason').textContent = reason;
    this.find('.reason').hidden = reason === '';
    const over = state === 'ended' || state === 'failed';
    this.find('.end').textContent = over ? 'Start again' : 'End';
    this.find('input').disabled = this.find('button').disabled = state !== 'open';
    this.dispatchEvent(new CustomEvent('facts'));
  }
}

customElements.define('chat-widget', ChatWidget);
