// SPDX-License-Identifier: Apache-2.0
// Recorded exchanges with real providers, replayed by their harness: what a client gets through fairlead
// must equal what it gets directly. The data is not part of the project: FAIRLEAD_CONFORMANCE names the
// folder, by default ../shared/conformance; without it these tests are skipped.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { ROOT, freePort, start, temporaryFolder } from './lib/fairlead.mjs';
import { relay } from './lib/relay.mjs';

const DATA = path.resolve(ROOT, process.env.FAIRLEAD_CONFORMANCE || '../shared/conformance');
const HARNESS = path.join(DATA, 'harness');
const MODULES = path.join(ROOT, 'tests/e2e/node_modules');
const skip = fs.existsSync(path.join(HARNESS, 'check.mjs')) ? false : 'skipped: no data';
const LIMIT = { timeout: 400000, skip };

// What is compared by itself: what a client of this dialect asks of a provider of the same. The list of models is
// fairlead's own, not the provider's.
const NATIVE = '^[a-z0-9-]+\\.(chat|completions|embeddings|responses|messages|count_tokens)\\.[nse]\\.';

function readIndex() {
    const [head, ...lines] = fs.readFileSync(path.join(DATA, 'index.tsv'), 'utf8').trim().split('\n').map((line) => line.split('\t'));
    return new Map(lines.map((line) => [line[0], Object.fromEntries(head.map((name, i) => [name, line[i]]))]));
}

const INDEX = skip ? new Map() : readIndex();
const recorded = (row) => fs.readFileSync(path.join(DATA, row.source, `${row.id}.resp`), 'utf8');
const asked = (row) => fs.readFileSync(path.join(DATA, row.source, `${row.id}.req`), 'utf8');
const headers = (row) => JSON.parse(fs.readFileSync(path.join(DATA, row.source, `${row.id}.json`), 'utf8')).response_headers;

// The last number that the recording gives this name.
function number(row, name) {
    return Number([...recorded(row).matchAll(new RegExp(`"${name}": ?(\\d+)`, 'g'))].at(-1)?.[1] ?? 0);
}

function breaksOff(row, what) {
    return !/"finish_reason": ?"/.test(recorded(row)) && (/nodone/.test(what) || !/\[DONE\]/.test(recorded(row)));
}

// Where a client is meant to see something else than directly, and why.
const MEANT = [
    ['the harness asks /v1/models/chat/completions, which is no path of this API',
        (row, what, why) => row.path.startsWith('/models/') && / -> 405 /.test(why)],
    ['usage that the client did not ask for',
        (row, what, why) => row.endpoint === 'completions' && row.req_bytes === '0' && /usage/.test(why)],
    ['a stream that its recording calls application/json',
        (row, what, why) => /is not valid|AI_NoOutputGeneratedError/.test(why) && row.stream === '1' && /^application\/json/.test(headers(row).find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '')],
    ['a recording that breaks off: no terminal event, no finish reason',
        (row, what, why) => /aborted|provider_closed/.test(why) && breaksOff(row, what)],
    ['OpenRouter\'s choice of providers, which is obeyed: the one there is was not among them',
        (row, what, why) => /policy_model_blocked/.test(why) && /"(only|allow_fallbacks)":/.test(asked(row))],
    ['comments of a stream, which are each hop\'s own',
        (row, what, why) => why === 'bytes differ' && /^: /m.test(recorded(row))],
];

// The same of answers that come from another dialect.
const MEANT_CROSS = [
    ['more tokens read from a cache, or written to one, than the recording counts as input',
        (row, what, why) => /"usage"/.test(why) && /anthropic\/messages/.test(what) &&
            number(row, 'cached_tokens') + number(row, 'cache_write_tokens') > number(row, 'prompt_tokens')],
    ['cached tokens under a name that the oracle does not read (num_cached_tokens)',
        (row, what, why) => /"cache_read":0,/.test(why) && number(row, 'num_cached_tokens') > 0],
    ['reasoning tokens counted beside the completion, which total_tokens has and the oracle leaves out',
        (row, what, why) => /"output"/.test(why) && number(row, 'total_tokens') === number(row, 'prompt_tokens') + number(row, 'completion_tokens') + number(row, 'reasoning_tokens')
            && number(row, 'reasoning_tokens') > 0],
    ['text that each chunk says twice, in "text" and in its delta: the oracle adds both',
        (row, what, why) => /"text":"/.test(why) && row.stream === '1' && row.endpoint === 'chat' && /"text": ?"/.test(recorded(row)) && /"delta": ?\{/.test(recorded(row))],
    ['a refusal: text with the finish reason of a filter, where the client\'s dialect has no field for it',
        (row, what, why) => /anthropic\/messages/.test(what) && /"refusal": ?"/.test(recorded(row)) && /content_filter/.test(why)],
    ['a tool that the model ran itself: no call for the client',
        (row, what, why) => row.features.includes('server_tool') && row.dialect === 'bedrock' && /"tools":\[\{/.test(why)],
    ['chunks of a chat, recorded as the answer of the responses API: the oracle finds nothing in them',
        (row) => row.endpoint === 'responses' && /"chat\.completion\.chunk"/.test(recorded(row))],
];

// The same of requests.
const MEANT_REQUESTS = [
    ['the harness knows no path of Ollama\'s own API',
        (row, what, why) => why === 'path /api/chat is not a ollama/chat path'],
    ['the client\'s own mistake, which goes to a provider of the same dialect as it is',
        (row, what, why) => what === 'request->azure' && row.dialect === 'openai' && /^(tools is \[\]|tool_choice without tools)$/.test(why)],
];

function meant(rules, { id, what, why }) {
    return rules.find(([, fits]) => fits(INDEX.get(id), what, why))?.[0];
}

// What is not meant fails the test; what is, is counted.
function judge(t, { pass, fail }, rules) {
    const reasons = {};
    const bad = [];
    for (const one of fail) {
        const reason = meant(rules, one);
        if (reason) reasons[reason] = (reasons[reason] ?? 0) + 1;
        else bad.push(`${one.what} ${one.id}: ${one.why}`);
    }
    t.diagnostic(`${pass} equal, ${bad.length} not`);
    for (const [reason, count] of Object.entries(reasons)) t.diagnostic(`${count} differ as meant: ${reason}`);
    assert.ok(pass > 0);
    assert.equal(bad.length, 0, `${bad.length} of ${pass + fail.length} differ:\n${bad.slice(0, 20).join('\n')}`);
}

async function node(file, args, env = {}) {
    const child = spawn(process.execPath, [path.join(HARNESS, file), ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { text += part; });
    const [code] = await once(child, 'close');
    return { code, text };
}

const PREFIX = { openai: 'oai/', anthropic: 'ant/', gemini: 'gem/', bedrock: 'br/', azure: 'az/', ollama: 'ol/' };

// fairlead in front of one provider of each dialect, all the harness's, that take any model. What a provider may be
// asked in is said in *own*: the harness answers with what was recorded, whatever it is asked.
function startBefore(port, own = {}) {
    const url = `http://127.0.0.1:${port}`;
    const providers = {
        oai: { type: 'openai_compatible', base_url: `${url}/v1`, api_key: 'sk-upstream', ...own.openai },
        ant: { type: 'anthropic', base_url: `${url}/v1`, api_key: 'sk-ant', ...own.anthropic },
        gem: { type: 'gemini', base_url: `${url}/v1beta`, api_key: 'key' },
        br: { type: 'bedrock', base_url: url, region: 'us-east-1', auth: { access_key_id: 'AKIDEXAMPLE', secret_access_key: 'secret' }, ...own.bedrock },
        az: { type: 'azure', base_url: `${url}/openai`, api_key: 'key', responses: false, ...own.azure },
        ol: { type: 'ollama_native', base_url: url },
    };
    return start({ routing: { failover_threshold: 1000 }, providers });
}

async function check(t, { own, only, rules, required = 'events' }, ...args) {
    const folder = temporaryFolder();
    const map = path.join(folder, 'map.json');
    const result = path.join(folder, 'result.json');
    const port = await freePort(); // check.mjs starts the provider on it
    fs.writeFileSync(map, JSON.stringify({ key: 'sk-test', prefix: PREFIX, native: ['openai', 'anthropic'], required }));
    const gateway = await startBefore(port, own);
    const done = await node('check.mjs', ['--gateway', gateway.origin, '--replay-port', String(port), '--map', map,
        '--json', result, ...(only ? ['--only', only] : []), ...args]);
    await gateway.stop();
    assert.ok(fs.existsSync(result), done.text);
    judge(t, JSON.parse(fs.readFileSync(result)), rules);
    fs.rmSync(folder, { recursive: true });
}

// The providers that offer the responses API, and are asked in it where *api* says so.
const responses = (api) => ({ openai: { responses: true, api }, azure: { responses: true, api } });
const RESPONSES = responses();

describe('recorded exchanges, asked and answered in one dialect', { skip }, () => {
    test('byte for byte', LIMIT, (t) => check(t, { own: RESPONSES, only: NATIVE, rules: MEANT, required: 'bytes' }));

    test('whole, in pieces of every kind, compressed', LIMIT, (t) => check(t, { own: RESPONSES, only: NATIVE, rules: MEANT }, '--modes', 'all'));

    test('cut in the middle: never complete', LIMIT, (t) => check(t, { own: RESPONSES, only: NATIVE, rules: MEANT }, '--no-native', '--faults'));
});

describe('recorded exchanges, from one dialect to another', { skip }, () => {
    const rules = [...MEANT, ...MEANT_CROSS];

    test('answers of all dialects, read by a client of another', LIMIT,
        (t) => check(t, { only: '^[a-z0-9-]+\\.(?!responses|invoke)[a-zA-Z_-]+\\.', rules }, '--no-native', '--cross'));

    test('answers of the responses API', LIMIT,
        (t) => check(t, { own: responses('responses'), only: '^[a-z0-9-]+\\.responses\\.', rules }, '--no-native', '--cross'));

    test('answers of Claude on Bedrock, invoked', LIMIT,
        (t) => check(t, { own: { bedrock: { api: 'invoke' } }, only: '^bedrock\\.invoke', rules }, '--no-native', '--cross'));

    test('requests of real programs, to providers of every other dialect', LIMIT,
        (t) => check(t, { rules: [...MEANT, ...MEANT_REQUESTS] }, '--no-native', '--requests'));
});

// The harness's provider and fairlead before it; models are known by their names, without a prefix.
async function openByName(own) {
    const { start: replay } = await import(path.join(HARNESS, 'replay.mjs'));
    const names = (dialect) => [...INDEX.values()].filter((row) => row.dialect === dialect).map((row) => `rp-${row.id}`);
    const upstream = await replay({});
    const gateway = await startBefore(upstream.port, {
        openai: { ...own.openai, models: names('openai') }, anthropic: { models: names('anthropic') },
    });
    const between = await relay(gateway.port);
    return {
        url: between.url,
        async close() {
            between.close();
            await gateway.stop();
            upstream.close();
        },
    };
}

describe('recorded exchanges, read by real clients', { skip }, () => {
    test('what the SDKs hand to the program is the same', LIMIT, async (t) => {
        const scene = await openByName(RESPONSES);
        const done = await node('sdk.mjs', ['--node-modules', MODULES, '--gateway', scene.url, '--show', '1000']);
        await scene.close();
        // A table row a kind: | openai/chat stream | same | diff | threw |
        const rows = [...done.text.matchAll(/'?((?:openai|anthropic)\/[a-z_ ]+?)'? *│ *(\d+) *│ *(\d+)/g)];
        assert.ok(rows.length > 10, done.text);
        const pass = rows.reduce((sum, row) => sum + Number(row[2]), 0);
        const lines = done.text.split('\n').filter((line) => line.startsWith('DIFF '));
        const fail = lines.map((line) => ({ id: line.split(' ')[1], what: '', why: line }));
        assert.equal(fail.length, rows.reduce((sum, row) => sum + Number(row[3]), 0));
        judge(t, { pass, fail }, [
            ['usage that the SDK did not ask for', (row) => /"choices": ?\[\],/.test(recorded(row))],
            ['a recording that breaks off: no terminal event, no finish reason', (row) => row.stream === '1' && breaksOff(row, '')],
            ...MEANT,
        ]);
    });

    test('nor of the frameworks built on them', LIMIT, async (t) => {
        const scene = await openByName(RESPONSES);
        const done = await node('clients.mjs', ['--node-modules', MODULES, '--gateway', scene.url]);
        await scene.close();
        const [, pass, failed] = /(\d+) passed, (\d+) failed/.exec(done.text) ?? assert.fail(done.text);
        const fail = [...done.text.matchAll(/^DIFF (.*) (\S+\.[0-9a-f]{8}) (.*)$/gm)].map(([, what, id, why]) => ({ id, what, why }));
        assert.equal(fail.length, Number(failed), done.text);
        assert.ok(Number(pass) > 20, done.text);
        judge(t, { pass: Number(pass), fail }, MEANT);
    });
});
