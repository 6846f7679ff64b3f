// CometD over WebSocket for a node. The server's core is CometD's own; this
// endpoint is not: the CometD project's server for Node.js has none. It hands
// the messages of each text frame to that core as a POST would, and sends back
// what the core answers.

import { EventEmitter } from 'node:events';
import { WebSocketServer } from 'ws';

// What the core needs of a response.
class Answer extends EventEmitter {
  statusCode = 200;
  headers = {};

  constructor(socket) {
    super();
    this.connection = socket;
  }

  // The core drops what it has to say where the connection is gone.
  get socket() {
    return { destroyed: this.connection.readyState !== this.connection.OPEN };
  }

  setHeader(name, value) {
    this.headers[name.toLowerCase()] = value;
  }

  end(content) {
    if (this.statusCode === 200) this.connection.send(content);
    this.emit('finish');
  }
}

// Serves CometD over WebSocket on the upgrades of a server, at path. SIGUSR2
// cuts all connections without a word, as a network does.
export function serveWebSocket(server, cometd, path) {
  const sockets = new WebSocketServer({ noServer: true });
  // The core knows a session by its browser's cookie. A WebSocket has none
  // where the handshake went over it too; a new one may resume the session.
  const browsers = new Map();

  sockets.on('connection', (socket, request) => {
    socket.on('error', console.error);
    socket.on('message', (frame) => {
      let messages;
      try {
        messages = JSON.parse(frame);
      } catch {
        socket.close(1007);
        return;
      }
      const answer = new Answer(socket);
      const cookie = browsers.get(messages[0]?.clientId) ?? request.headers.cookie;
      answer.on('finish', () => {
        for (const { channel, successful, clientId, reply } of messages) {
          if (channel === '/meta/disconnect') browsers.delete(clientId);
          if (channel !== '/meta/handshake' || !reply?.successful) continue;
          const set = answer.headers['set-cookie'];
          browsers.set(reply.clientId, set ? set.slice(0, set.indexOf(';')) : request.headers.cookie);
        }
      });
      cometd.handle({ method: 'POST', url: request.url, headers: { cookie }, body: messages }, answer);
    });
  });

  process.on('SIGUSR2', () => {
    for (const socket of sockets.clients) socket.terminate();
  });

  server.on('upgrade', (request, socket, head) => {
    if (new URL(request.url, 'http://node').pathname !== path) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request));
  });
}
