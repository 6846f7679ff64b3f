// A stand-in for one node of a GMS cluster: the Chat API version 2 over CometD
// and as REST. GMS is proprietary; the CometD core here is the CometD
// project's own server for Node.js, so that BAYEUX_BROWSER and the sessions
// that hang on it are the real thing. The rest follows Genesys' documentation.
//
//   node node.mjs --name A --chats 127.0.0.1:1234 [--port N] [--bare]
//
// --bare leaves BAYEUX_BROWSER without a Path, as that server does by default;
// Java nodes send Path=/. It prints its address as JSON and ends when its
// standard input closes.

import { parseArgs } from 'node:util';
import cometdServer from 'cometd-nodejs-server';
import { json, readBody, serve } from './http.mjs';

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
cometd.createServerChannel(channel).addListener('message', (session, _channel, message, done) => {
  perform(message.data)
    .then((answer) => session.deliver(null, channel, answer), console.error)
    .finally(() => done());
});

// REST: POST /genesys/2/chat/{service}[/{chatId}/{operation}], form-encoded.
const rest = /^\/genesys\/2\/chat\/([^/]+)(?:\/([^/]+)\/([^/]+))?$/;
const renamed = { send: 'sendMessage' };

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
  const match = rest.exec(pathname);
  if (!match || req.method !== 'POST') {
    json(res, 404, { error: 'not found' });
    return;
  }
  const form = Object.fromEntries(new URLSearchParams(await readBody(req)));
  const operation = match[3] ? renamed[match[3]] ?? match[3] : 'requestChat';
  json(res, 200, await perform({ ...form, operation }));
}

serve(handle, Number(options.port));
