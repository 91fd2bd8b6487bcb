// SPDX-License-Identifier: Apache-2.0
// TLS on both sides, with certificates made here.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { start, temporaryFolder } from './lib/fairlead.mjs';
import { assertEnvelope, chat, curl } from './lib/http.mjs';
import { MESSAGES, completion, upstream, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };

// A private authority and certificates by it: for localhost, for another name, and one that has expired.
function makeCertificates() {
    const folder = temporaryFolder();
    const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = (name) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
    for (const ca of ['ca', 'other-ca']) {
        key(ca);
        openssl('req', '-x509', '-new', '-key', `${ca}.key`, '-subj', `/CN=${ca}`, '-days', '30', '-out', `${ca}.pem`);
    }
    const issue = (name, names, days, ca = 'ca') => {
        key(name);
        fs.writeFileSync(path.join(folder, 'ext'), `subjectAltName=${names}\n`);
        openssl('req', '-new', '-key', `${name}.key`, '-subj', '/CN=test', '-out', 'csr');
        openssl('x509', '-req', '-in', 'csr', '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', days, '-extfile', 'ext', '-out', `${name}.pem`);
    };
    issue('good', 'DNS:localhost,IP:127.0.0.1', '30');
    issue('elsewhere', 'DNS:elsewhere.example', '30');
    issue('expired', 'DNS:localhost,IP:127.0.0.1', '-1');
    issue('stranger', 'DNS:localhost,IP:127.0.0.1', '30', 'other-ca');
    const read = (file) => fs.readFileSync(path.join(folder, file));
    return { folder, file: (name) => path.join(folder, name), pair: (name) => ({ key: read(`${name}.key`), cert: read(`${name}.pem`) }) };
}

describe('TLS', () => {
    let certificates;
    const ups = {};
    let gateway;
    before(async () => {
        certificates = makeCertificates();
        const providers = {};
        for (const name of ['good', 'elsewhere', 'expired', 'stranger']) {
            ups[name] = await upstream({ tls: certificates.pair(name) });
            ups[name].answers((seen) => (seen.json.stream ? seen.stream(words('over TLS')) : seen.send(200, completion('over TLS'))));
            providers[name] = {
                type: 'openai_compatible', base_url: ups[name].url, api_key: `key-of-${name}`, models: [`m-${name}`],
                ca_file: certificates.file('ca.pem'),
            };
        }
        providers.system = { ...providers.good, models: ['m-system'], ca_file: undefined };
        providers.plain_to_tls = { ...providers.good, base_url: ups.good.url.replace('https', 'http'), models: ['m-plain'] };
        gateway = await start({
            tls: { cert: certificates.file('good.pem'), key: certificates.file('good.key') },
            routing: { failover_threshold: 1000 },
            providers,
        });
    });
    after(async () => {
        await gateway.stop();
        for (const up of Object.values(ups)) await up.close();
        fs.rmSync(certificates.folder, { recursive: true });
    });

    const ask = async (model, { stream = false, more = [] } = {}) => {
        const done = await curl('--cacert', certificates.file('ca.pem'), '-H', 'Content-Type: application/json', ...more,
            '-d', JSON.stringify({ model, messages: MESSAGES, stream }), '-w', '\n%{http_code}', gateway.baseURL + '/chat/completions');
        assert.equal(done.code, 0, done.stderr);
        const [, text, status] = /^([^]*)\n(\d+)$/.exec(done.stdout);
        return { status: Number(status), text, get json() { return JSON.parse(text); } };
    };

    test('an answer and a stream, TLS on both sides', LIMIT, async () => {
        const plain = await ask('m-good');
        assert.equal(plain.status, 200, plain.text);
        assert.equal(plain.json.choices[0].message.content, 'over TLS');
        const streamed = await ask('m-good', { stream: true });
        assert.match(streamed.text, /"over "[^]*"TLS"[^]*\[DONE\]/);
        assert.equal(ups.good.last.request.socket.servername, 'localhost');
    });

    test('TLS 1.2 and 1.3, nothing older; HTTP/1.1 by ALPN', LIMIT, async () => {
        for (const version of ['1.2', '1.3']) {
            assert.equal((await ask('m-good', { more: ['--tls-max', version, `--tlsv${version}`] })).status, 200);
        }
        const old = await curl('--cacert', certificates.file('ca.pem'), '--tlsv1.0', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', gateway.origin + '/livez');
        assert.notEqual(old.code, 0);
        const alpn = await curl('--cacert', certificates.file('ca.pem'), '--http2', '-o', '/dev/null', '-w', '%{http_version}', gateway.origin + '/livez');
        assert.equal(alpn.stdout, '1.1', alpn.stderr);
    });

    for (const [name, why] of [['elsewhere', 'is for another name'], ['expired', 'has expired'], ['stranger', 'is by an unknown authority'], ['system', 'is by an authority the system does not know']]) {
        test(`a provider whose certificate ${why} gets no request`, LIMIT, async () => {
            const up = ups[name] ?? ups.good;
            up.requests.length = 0;
            const answer = await ask(`m-${name}`);
            assert.equal(answer.status, 502, answer.text);
            assert.match(answer.json.error.message, /TLS|certificate/);
            assert.equal(up.requests.length, 0);
        });
    }

    test('a provider that speaks TLS where plain HTTP is configured', LIMIT, async () => {
        assert.equal((await ask('m-plain')).status, 502);
    });

    test('large bodies both ways', LIMIT, async () => {
        const text = 'é0123456789'.repeat(100000);
        ups.good.answers((seen) => seen.send(200, completion(seen.json.messages[0].content)));
        const file = certificates.file('body.json');
        fs.writeFileSync(file, JSON.stringify({ model: 'm-good', messages: [{ role: 'user', content: text }] }));
        const done = await curl('--cacert', certificates.file('ca.pem'), '-H', 'Content-Type: application/json', '--data-binary', `@${file}`, gateway.baseURL + '/chat/completions');
        assert.ok(JSON.parse(done.stdout).choices[0].message.content === text);
    });

    test('plain HTTP on the TLS port is refused and harms nobody', LIMIT, async () => {
        const origin = gateway.origin.replace('https', 'http');
        await assert.rejects(chat(origin, { model: 'm-good', messages: MESSAGES }));
        assert.equal((await ask('m-good')).status, 200);
    });
});

describe('TLS towards a provider, plain towards clients', () => {
    test('by an address instead of a name; sessions of many requests', LIMIT, async () => {
        const certificates = makeCertificates();
        const up = await upstream({ tls: certificates.pair('good') });
        up.answers((seen) => seen.send(200, completion('ok')));
        const gateway = await start({
            providers: { p: { type: 'openai_compatible', base_url: `https://127.0.0.1:${up.port}/v1`, models: ['m'], ca_file: certificates.file('ca.pem') } },
        });
        for (let i = 0; i < 10; i++) assert.equal((await chat(gateway.origin, { model: 'm', messages: MESSAGES })).status, 200);
        assert.ok(up.connections <= 2, `${up.connections} connections for 10 requests`);
        assertEnvelope(await chat(gateway.origin, { model: 'none', messages: MESSAGES }), 404);
        await gateway.stop();
        await up.close();
        fs.rmSync(certificates.folder, { recursive: true });
    });
});
