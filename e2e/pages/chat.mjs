// A chat with a GMS cluster (Chat API version 2), over CometD with the genuine
// client, or over REST. Neither class draws anything; `on` hears of all that
// happens:
//
//   on.state(state, reason)       connecting, open, interrupted, ended, failed
//   on.messages(messages, node)   of the transcript, and the node that sent them
//   on.handshake()                a CometD session was opened

import { CometD } from '/cometd/cometd.js';

const channel = '/service/chatV2/customer-support';

// A client whose cookies are lost opens sessions for ever, hundreds a second:
// each request finds a node that does not know the session. So many in a row,
// with no answer of the session between them, are enough.
const maxHandshakes = 8;

// What a page keeps of a chat, so that it goes on after a reload.
class Memory {
  constructor(service) {
    this.key = `chat ${service}`;
  }

  get() {
    return JSON.parse(sessionStorage.getItem(this.key) ?? 'null');
  }

  // Takes what each answer repeats of the chat.
  put({ chatId, userId, secureKey, alias }) {
    if (secureKey) sessionStorage.setItem(this.key, JSON.stringify({ chatId, userId, secureKey, alias }));
  }

  clear() {
    sessionStorage.removeItem(this.key);
  }
}

// What both ways share: each message of the transcript is told once, however
// often a node repeats it.
class Chat {
  constructor(service, nickname, on) {
    Object.assign(this, { service, nickname, on, memory: new Memory(service), position: 1 });
  }

  take(answer, node) {
    if (answer.statusCode !== 0) {
      this.memory.clear();
      this.close('failed', 'The service does not know this chat any more.');
      return;
    }
    this.memory.put(answer);
    const fresh = answer.messages.filter((m) => m.index >= this.position);
    this.position = Math.max(this.position, answer.nextPosition);
    if (fresh.length > 0) this.on.messages(fresh, node);
    if (answer.chatEnded) {
      this.memory.clear();
      this.close('ended');
    }
  }
}

export class CometDChat extends Chat {
  // websocket: false for long-polling alone. With it the client tries WebSocket
  // first and falls back to long-polling.
  constructor(service, nickname, on, { websocket }) {
    super(service, nickname, on);
    const cometd = (this.cometd = new CometD());
    cometd.unregisterTransport('callback-polling');
    if (!websocket) cometd.unregisterTransport('websocket');
    cometd.configure({ url: `${service}/genesys/cometd`, logLevel: 'error' });
    this.handshakes = 0;
    cometd.addListener('/meta/handshake', ({ successful }) => {
      if (!successful) return;
      on.handshake();
      if (++this.handshakes >= maxHandshakes) {
        this.close('failed', 'The node that answers never knows the session that the one before opened. The browser keeps no cookies of this service: here they are third-party cookies, and they are not partitioned.');
      }
    });
    cometd.addListener('/meta/connect', ({ successful, failure }) => {
      if (this.closed) return;
      if (!successful) {
        on.state(failure ? 'interrupted' : 'connecting');
        return;
      }
      this.handshakes = 0;
      const session = this.cometd.getClientId();
      if (this.joined === session) on.state('open');
      else if (this.asked !== session) this.join();
    });
    cometd.addListener(channel, ({ data, ext }) => {
      if (!data) return;
      this.joined = this.cometd.getClientId();
      this.take(data, ext.node);
      if (!this.closed) on.state('open');
    });
  }

  // The transport in use, websocket or long-polling.
  get transport() {
    return this.cometd.getTransport()?.type;
  }

  start() {
    this.on.state('connecting');
    this.cometd.handshake();
  }

  // Opens the chat, or takes part in it again, on a session that did not yet.
  join() {
    const chat = this.memory.get();
    const request = chat
      ? { operation: 'requestNotifications', secureKey: chat.secureKey, transcriptPosition: this.position }
      : { operation: 'requestChat', nickname: this.nickname };
    this.asked = this.cometd.getClientId();
    this.cometd.publish(channel, request, ({ successful }) => {
      if (!successful) this.asked = undefined;
    });
  }

  send(message) {
    this.cometd.publish(channel, { operation: 'sendMessage', secureKey: this.memory.get()?.secureKey, message }, ({ successful }) => {
      // A session may end under a message: it goes out again on the next one.
      if (successful || this.closed) return;
      const again = this.cometd.addListener('/meta/connect', (reply) => {
        if (!reply.successful) return;
        this.cometd.removeListener(again);
        this.send(message);
      });
    });
  }

  end() {
    this.cometd.publish(channel, { operation: 'disconnect', secureKey: this.memory.get()?.secureKey });
  }

  close(state, reason) {
    this.closed = true;
    this.cometd.disconnect();
    this.on.state(state, reason);
  }
}

export class RESTChat extends Chat {
  transport = 'rest';

  async post(path, form) {
    const answer = await fetch(`${this.service}/genesys/2/chat/customer-support${path}`, {
      method: 'POST',
      credentials: 'include', // or the browser keeps no cookie of the answer
      body: new URLSearchParams(form),
    });
    if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
    this.take(await answer.json(), answer.headers.get('X-Gms-Node'));
  }

  // Posts an operation on the chat, again and again where no node can be reached.
  async operate(operation, form = {}) {
    const { chatId, ...keys } = this.memory.get() ?? {};
    while (!this.closed) {
      try {
        await this.post(`/${chatId}/${operation}`, { ...keys, transcriptPosition: this.position, ...form });
        if (!this.closed) this.on.state('open');
        return;
      } catch {
        this.on.state('interrupted');
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  async start() {
    this.on.state('connecting');
    try {
      if (!this.memory.get()) await this.post('', { nickname: this.nickname });
      else await this.operate('refresh');
    } catch (error) {
      this.close('failed', `The chat does not open: ${error.message}.`);
      return;
    }
    if (this.closed) return;
    this.on.state('open');
    this.timer = setInterval(() => this.operate('refresh'), 3000);
  }

  send(message) {
    return this.operate('send', { message });
  }

  end() {
    return this.operate('disconnect');
  }

  close(state, reason) {
    this.closed = true;
    clearInterval(this.timer);
    this.on.state(state, reason);
  }
}
