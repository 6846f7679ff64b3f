// A stand-in for one node of a GMS cluster: the Chat API version 2 over CometD
// (long-polling and WebSocket) and as REST. GMS is proprietary; the CometD core
// here is the CometD project's own server for Node.js, so that BAYEUX_BROWSER
// and the sessions that hang on it are the real thing. The rest follows Genesys'
// documentation, but for /genesys/session, which stands for whatever login an
// application has: it sets a JSESSIONID, deletes the node's cookies, and tells
// which cookies a request carried.
//
//   node node.mjs --name A --chats 127.0.0.1:1234 [--port N] [--bare]
//
// --bare leaves BAYEUX_BROWSER without a Path, as that server does by default;
// Java nodes send Path=/. It prints its address as JSON and ends when its
// standard input closes.

import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import cometdServer from 'cometd-nodejs-server';
import { json, readBody, serve } from './http.mjs';
import { serveWebSocket } from './websocket.mjs';

const { values: options } = parseArgs({
  options: {
    name: { type: 'string' },
    chats: { type: 'string' },
    port: { type: 'string', default: '0' },
    bare: { type: 'boolean', default: false },
  },
});

async function perform(request) {
  const answer = await fetch(`http://${options.chats}/`, { method: 'POST', body: JSON.stringify(request) });
  if (!answer.ok) throw new Error(`the chat server answered ${answer.status}`);
  return answer.json();
}

const channel = '/service/chatV2/customer-support';
const cometd = cometdServer.createCometDServer({ timeout: 10000, ...(options.bare ? {} : { browserCookiePath: '/' }) });
cometd.addExtension({
  outgoing(_server, _sender, _session, message, next) {
    message.ext = { ...message.ext, node: options.name };
    if (message.channel === '/meta/handshake' && message.successful) message.supportedConnectionTypes = ['websocket', 'long-polling'];
    next(undefined, true);
  },
});
cometd.createServerChannel(channel).addListener('message', (session, _channel, message, done) => {
  perform(message.data)
    .then((answer) => session.deliver(null, channel, answer), console.error)
    .finally(() => done());
});

// REST: POST /genesys/2/chat/{service}[/{chatId}/{operation}], form-encoded.
const rest = /^\/genesys\/2\/chat\/([^/]+)(?:\/([^/]+)\/([^/]+))?$/;
const renamed = { send: 'sendMessage' };

const deleted = (name) => `${name}=; Path=/; Max-Age=0`;

// What /genesys/session/… sets.
const sessions = {
  login: () => [`JSESSIONID=${randomUUID()}; Path=/; HttpOnly`],
  logout: () => [deleted('JSESSIONID'), deleted('BAYEUX_BROWSER')],
};

async function handle(req, res) {
  res.setHeader('X-Gms-Node', options.name);
  const { pathname } = new URL(req.url, 'http://node');
  if (pathname === '/genesys/cometd' || pathname.startsWith('/genesys/cometd/')) {
    cometd.handle(req, res);
    return;
  }
  if (pathname === '/genesys/1/admin/node/status') {
    json(res, 200, { name: options.name, status: 'OK' });
    return;
  }
  if (pathname.startsWith('/genesys/session')) {
    const operation = pathname.split('/')[3];
    if (Object.hasOwn(sessions, operation)) res.setHeader('Set-Cookie', sessions[operation]());
    json(res, 200, { node: options.name, cookies: (req.headers.cookie ?? '').split('; ').filter(Boolean) });
    return;
  }
  const match = rest.exec(pathname);
  if (!match || req.method !== 'POST') {
    json(res, 404, { error: 'not found' });
    return;
  }
  const form = Object.fromEntries(new URLSearchParams(await readBody(req)));
  const operation = match[3] ? renamed[match[3]] ?? match[3] : 'requestChat';
  json(res, 200, await perform({ ...form, operation }));
}

serveWebSocket(serve(handle, Number(options.port)), cometd, '/genesys/cometd');
