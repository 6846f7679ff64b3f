// What the chat server and the nodes share: a server on a free port of
// 127.0.0.1 that prints its address and ends with its standard input.

import { createServer } from 'node:http';

export async function readBody(req) {
  let body = '';
  req.setEncoding('utf8');
  for await (const chunk of req) body += chunk;
  return body;
}

export function json(res, status, value) {
  const body = JSON.stringify(value);
  res.writeHead(status, { 'Content-Type': 'application/json;charset=UTF-8', 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

export function serve(handler, port = 0) {
  const server = createServer((req, res) => {
    handler(req, res).catch((error) => {
      console.error(error);
      if (!res.headersSent) json(res, 500, { error: String(error) });
    });
  });
  server.listen(port, '127.0.0.1', () => {
    console.log(JSON.stringify({ address: `127.0.0.1:${server.address().port}` }));
  });
  process.stdin.resume().on('end', () => process.exit());
  return server;
}
