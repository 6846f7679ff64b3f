// A page that embeds the chat: a company's, or the service's own. Its address
// says how: ?service=gms-plain (the cluster without the plugin), &transport=rest,
// &embed=frame (the service's page in a frame instead of a script in this one).

import './widget.mjs';
import { beside } from './sites.mjs';

const parameters = new URLSearchParams(location.search);
const service = beside(parameters.get('service') ?? 'gms');

document.querySelector('.site').textContent = location.host;
if (parameters.get('embed') === 'frame') {
  const frame = document.createElement('iframe');
  frame.title = 'Chat';
  parameters.delete('embed');
  frame.src = `${service}/?${parameters}`;
  document.body.append(frame);
} else {
  const widget = document.createElement('chat-widget');
  widget.setAttribute('service', service);
  widget.setAttribute('nickname', 'Bo');
  widget.setAttribute('transport', parameters.get('transport') ?? 'websocket');
  document.body.append(widget);
}
