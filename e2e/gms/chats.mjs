// The chat server that the nodes share, as GMS nodes share Genesys' Chat
// Server: any node may serve any REST request of a chat. Its agent is a bot,
// which greets and answers each message by repeating it.
//
// It prints its address as JSON and ends when its standard input closes.

import { randomBytes, randomUUID } from 'node:crypto';
import { json, readBody, serve } from './http.mjs';

const chats = new Map();
const agent = { nickname: 'Agent', participantId: 2, type: 'Agent' };

function add(chat, from, type, text) {
  chat.messages.push({ from, index: chat.messages.length + 1, text, type, utcTime: Date.now() });
}

// Answers with the messages from position on, which are counted from 1.
function transcript(chat, position) {
  return {
    messages: chat.messages.slice(Math.max(0, position - 1)),
    chatEnded: chat.ended,
    statusCode: 0,
    alias: chat.alias,
    secureKey: chat.secureKey,
    userId: chat.userId,
    chatId: chat.chatId,
    nextPosition: chat.messages.length + 1,
  };
}

const failed = (text) => ({ chatEnded: false, statusCode: 2, errors: [{ code: 100, advice: text }] });

function requestChat({ nickname, firstName, lastName }) {
  const chat = {
    chatId: randomUUID(), userId: randomBytes(8).toString('hex'), secureKey: randomBytes(16).toString('hex'), alias: '117',
    client: { nickname: nickname || [firstName, lastName].filter(Boolean).join(' ') || 'Guest', participantId: 1, type: 'Client' },
    messages: [], ended: false,
  };
  chats.set(chat.secureKey, chat);
  add(chat, chat.client, 'ParticipantJoined');
  add(chat, agent, 'ParticipantJoined');
  add(chat, agent, 'Message', `Hello ${chat.client.nickname}, how can I help you?`);
  return transcript(chat, 1);
}

const operations = {
  sendMessage(chat, { message }) {
    add(chat, chat.client, 'Message', message);
    add(chat, agent, 'Message', `You said: ${message}`);
  },
  startTyping: (chat) => add(chat, chat.client, 'TypingStarted'),
  stopTyping: (chat) => add(chat, chat.client, 'TypingStopped'),
  customNotice: (chat, { message }) => add(chat, chat.client, 'CustomNotice', message),
  pushUrl: (chat, { pushUrl }) => add(chat, chat.client, 'PushUrl', pushUrl),
  disconnect(chat) {
    add(chat, chat.client, 'ParticipantLeft');
    chat.ended = true;
  },
  // These change nothing in the transcript.
  updateData() {},
  readReceipt() {},
  refresh() {},
  requestNotifications() {},
};

// One operation: { operation, secureKey, transcriptPosition, … }. Without a
// transcriptPosition the answer has what the operation itself added.
function perform(request) {
  if (request.operation === 'requestChat') return requestChat(request);
  const chat = chats.get(request.secureKey);
  if (!chat || !Object.hasOwn(operations, request.operation)) return failed('unknown chat or operation');
  if (chat.ended) return transcript(chat, chat.messages.length + 1);
  const position = Number(request.transcriptPosition) || chat.messages.length + 1;
  operations[request.operation](chat, request);
  return transcript(chat, position);
}

serve(async (req, res) => json(res, 200, perform(JSON.parse(await readBody(req)))));
