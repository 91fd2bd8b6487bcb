// SPDX-License-Identifier: Apache-2.0
// Credentials that are more than a key, on real sockets and over several workers: a service account's assertion is
// verified by an implementation that shares nothing with fairlead, and one token serves all.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { start, temporaryFolder } from './lib/fairlead.mjs';
import { chat } from './lib/http.mjs';

const LIMIT = { timeout: 30000 };
const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });

async function serve(answer) {
    const server = http.createServer((request, response) => {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => answer(request, Buffer.concat(parts), response));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
}

const portOf = (server) => server.address().port;
const json = (response, value, status = 200) => {
    const text = JSON.stringify(value);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    response.end(text);
};

function claimsOf(body) {
    const form = new URLSearchParams(body.toString());
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header, claims, signature] = form.get('assertion').split('.');
    assert.ok(crypto.verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url')));
    assert.equal(JSON.parse(Buffer.from(header, 'base64url')).alg, 'RS256');
    return JSON.parse(Buffer.from(claims, 'base64url'));
}

describe('credentials', () => {
    let issuer, provider, gateway, folder, life = 3600;
    const issued = [], seen = [];
    before(async () => {
        folder = temporaryFolder();
        issuer = await serve((request, body, response) => {
            try {
                issued.push(claimsOf(body));
                json(response, { access_token: `token-${issued.length}`, expires_in: life, token_type: 'Bearer' });
            } catch (error) {
                json(response, { error: String(error) }, 400);
            }
        });
        provider = await serve((request, body, response) => {
            seen.push({ url: request.url, token: request.headers.authorization, body: JSON.parse(body) });
            json(response, {
                candidates: [{ content: { role: 'model', parts: [{ text: 'hello' }] }, finishReason: 'STOP' }],
                usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 }, responseId: 'r', modelVersion: 'm',
            });
        });
        const file = path.join(folder, 'account.json');
        fs.writeFileSync(file, JSON.stringify({
            type: 'service_account', project_id: 'my-project', private_key_id: 'k1', client_email: 'me@my-project.iam.gserviceaccount.com',
            private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }), token_uri: `http://127.0.0.1:${portOf(issuer)}/token`,
        }));
        gateway = await start({
            workers: 4,
            providers: { v: {
                type: 'vertex', location: 'us-east5', base_url: `http://127.0.0.1:${portOf(provider)}`, models: ['gemini-2.5-pro'],
                auth: { service_account_file: file },
            } },
        });
    });
    after(async () => {
        await gateway?.stop();
        for (const server of [issuer, provider]) {
            server?.closeAllConnections();
            server?.close();
        }
        fs.rmSync(folder, { recursive: true, force: true });
    });
    const ask = () => chat(gateway.origin, { model: 'gemini-2.5-pro', messages: [{ role: 'user', content: 'hi' }] });

    test('one assertion for all requests of all workers', LIMIT, async () => {
        const answers = await Promise.all(Array.from({ length: 60 }, ask));
        for (const answer of answers) {
            assert.equal(answer.status, 200, answer.text);
            assert.equal(answer.json.choices[0].message.content, 'hello');
        }
        assert.equal(issued.length, 1);
        assert.equal(issued[0].iss, 'me@my-project.iam.gserviceaccount.com');
        assert.equal(issued[0].exp - issued[0].iat, 3600);
        assert.ok(Math.abs(issued[0].iat - Date.now() / 1000) < 60);
        assert.equal(seen.length, 60);
        for (const { url, token, body } of seen) {
            assert.equal(url, '/v1/projects/my-project/locations/us-east5/publishers/google/models/gemini-2.5-pro:generateContent');
            assert.equal(token, 'Bearer token-1');
            assert.deepEqual(body.contents, [{ role: 'user', parts: [{ text: 'hi' }] }]);
        }
    });

    test('tokens that are about to expire are replaced while requests go on', LIMIT, async () => {
        life = 6; // of which the last five seconds do not count
        gateway.signal('SIGHUP');
        await gateway.logged(/reload/i);
        const tokens = new Set();
        while (tokens.size < 3) {
            for (const answer of await Promise.all(Array.from({ length: 20 }, ask))) assert.equal(answer.status, 200, answer.text);
            seen.slice(-20).forEach(({ token }) => tokens.add(token));
        }
        assert.ok(issued.length <= 8, `${issued.length} tokens`);
    });

    test('nothing secret is logged', LIMIT, () => {
        assert.doesNotMatch(gateway.log, /token-\d|PRIVATE KEY/);
    });
});
