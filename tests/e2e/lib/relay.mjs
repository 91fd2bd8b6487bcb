// SPDX-License-Identifier: Apache-2.0
// Between an SDK and fairlead: shows the provider's request id (x-fairlead-upstream-request-id) in the place
// of fairlead's own, or none, so that the answers of both ways can be compared whole. Nothing else changes.
import { once } from 'node:events';
import http from 'node:http';

export async function relay(port) {
    const agent = new http.Agent({ keepAlive: true });
    const server = http.createServer((request, response) => {
        const onward = http.request({
            host: '127.0.0.1', port, agent, method: request.method, path: request.url, headers: request.headers,
        }, (answer) => {
            const headers = { ...answer.headers };
            for (const name of ['x-request-id', 'request-id', 'connection', 'transfer-encoding']) delete headers[name];
            const id = headers['x-fairlead-upstream-request-id'];
            if (id?.startsWith('gen-')) headers['x-generation-id'] = id; // OpenRouter's, which no SDK reads
            else if (id !== undefined) headers[request.url.startsWith('/v1/messages') ? 'request-id' : 'x-request-id'] = id;
            response.writeHead(answer.statusCode, headers);
            answer.pipe(response);
            answer.on('error', () => response.destroy());
        });
        onward.on('error', () => response.destroy());
        response.on('close', () => onward.destroy());
        request.pipe(onward);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        close() {
            server.close();
            server.closeAllConnections();
            agent.destroy();
        },
    };
}
