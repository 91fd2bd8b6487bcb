// SPDX-License-Identifier: Apache-2.0
// A provider that is a process of its own, so that it can be killed and stopped: streams words slowly, or
// refuses everything with a status. usage: node provider_process.mjs PORT NAME
import http from 'node:http';

const [port, name] = process.argv.slice(2);
let status = 200;

const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (text) => { body += text; });
    request.on('end', () => {
        const command = request.url.match(/^\/status\/(\d+)$/);
        if (command) {
            status = Number(command[1]);
            response.end();
        } else if (request.method === 'GET') {
            response.setHeader('content-type', 'application/json');
            response.end('{"object":"list","data":[]}');
        } else if (status !== 200) {
            response.writeHead(status, { 'content-type': 'application/json' });
            response.end('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
        } else {
            stream(response);
        }
    });
});

function stream(response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const chunk = (delta, finish = null) => response.write('data: ' + JSON.stringify({
        id: name, object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }],
    }) + '\n\n');
    chunk({ role: 'assistant', content: '' });
    let left = 8;
    const timer = setInterval(() => {
        if (left-- > 0) {
            chunk({ content: `${name} ` });
            return;
        }
        clearInterval(timer);
        chunk({}, 'stop');
        response.end('data: [DONE]\n\n');
    }, 15);
    response.on('close', () => clearInterval(timer));
}

server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
