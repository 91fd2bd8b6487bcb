// SPDX-License-Identifier: Apache-2.0
// The command line: what is printed where, and exit codes (0 ok, 2 usage, 3 configuration).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { ROOT, freePort, run, temporaryFolder } from './lib/fairlead.mjs';

const LIMIT = { timeout: 60000 };

describe('command line', () => {
    let folder;
    before(() => { folder = temporaryFolder(); });
    after(() => fs.rmSync(folder, { recursive: true }));
    const check = (text, { env } = {}) => {
        fs.writeFileSync(path.join(folder, 'f.yaml'), text);
        return run(['check', 'f.yaml'], { cwd: folder, env });
    };

    test('version and help', LIMIT, async () => {
        const version = await run(['version']);
        assert.equal(version.code, 0);
        const project = /project\(fairlead VERSION (\S+)/.exec(fs.readFileSync(path.join(ROOT, 'CMakeLists.txt'), 'utf8'))[1];
        assert.match(version.stdout, new RegExp(`^fairlead ${project.replaceAll('.', '\\.')}\\b`));
        for (const args of [['help'], ['--help'], ['-h']]) {
            const help = await run(args);
            assert.equal(help.code, 0);
            for (const command of ['serve', 'demo', 'check', 'schema', 'version', 'help']) assert.match(help.stdout, new RegExp(`\\b${command}\\b`));
            assert.equal(help.stderr, '');
        }
        for (const command of ['serve', 'demo', 'check', 'schema', 'version']) {
            for (const args of [['help', command], [command, '--help']]) {
                const help = await run(args);
                assert.equal(help.code, 0, `${args}: ${help.stderr}`);
                assert.match(help.stdout, new RegExp(`fairlead ${command}`));
            }
        }
        assert.match((await run(['help', 'demo'])).stdout, /--once[^]*--seed|--seed[^]*--once/);
    });

    test('the manual page tells of every command and option', LIMIT, async () => {
        const page = fs.readFileSync(path.join(ROOT, 'packaging/man/fairlead.1'), 'utf8').replaceAll('\\-', '-');
        const commands = [...(await run(['help'])).stdout.matchAll(/^  ([a-z]+) {2,}[a-z]/gm)].map((m) => m[1]);
        assert.ok(commands.length >= 8, commands.join());
        for (const command of commands) {
            assert.match(page, new RegExp(`^\\.(B|BR) ${command}$`, 'm'), command);
            const { stdout } = await run(['help', command]);
            for (const [option] of stdout.matchAll(/--[a-z]+/g)) assert.ok(page.includes(option), `${command} ${option}`);
        }
    });

    test('mistakes on the command line exit 2, with a suggestion and nothing on standard output', LIMIT, async () => {
        const cases = [
            [['serv'], /did you mean '?serve'?/i],
            [['chek', 'x'], /did you mean '?check'?/i],
            [['serve', '--listn', 'x'], /--listn/],
            [['serve', '-c'], /'-c' requires a value/],
            [['serve', '--listen', 'nonsense'], /nonsense/],
            [['demo', '--rate', 'fast'], /fast/],
        ];
        for (const [args, message] of cases) {
            const done = await run(args, { cwd: folder });
            assert.equal(done.code, 2, `${args}: ${done.stderr}`);
            assert.match(done.stderr, message);
            assert.equal(done.stdout, '');
        }
    });

    test('serve without a file and without a key says what to do', LIMIT, async () => {
        const done = await run(['serve'], { cwd: folder });
        assert.equal(done.code, 2, done.stderr);
        assert.match(done.stderr, /OPENAI_API_KEY/);
        assert.match(done.stderr, /fairlead demo/);
    });

    test('serve with a file that is missing or broken', LIMIT, async () => {
        const missing = await run(['serve', '-c', 'none.yaml'], { cwd: folder });
        assert.ok([2, 3].includes(missing.code), String(missing.code));
        assert.match(missing.stderr, /none\.yaml/);
        fs.writeFileSync(path.join(folder, 'broken.yaml'), 'routing:\n  failover_treshold: 2\n');
        const broken = await run(['serve', '-c', 'broken.yaml'], { cwd: folder });
        assert.equal(broken.code, 3);
        assert.match(broken.stderr, /broken\.yaml:2:3: error:/);
    });

    test('serve on a public address without keys is refused, with the ways out', LIMIT, async () => {
        const port = await freePort();
        fs.writeFileSync(path.join(folder, 'public.yaml'), `listen: 0.0.0.0:${port}\nproviders:\n  a: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", models: [m]}\n`);
        const done = await run(['serve', '-c', 'public.yaml'], { cwd: folder });
        assert.ok([2, 3].includes(done.code), String(done.code));
        assert.match(done.stderr, /keys/);
        assert.match(done.stderr, /insecure_no_auth/);
    });

    test('serve on a taken port says so', LIMIT, async () => {
        const net = await import('node:net');
        const taken = net.createServer().listen(0, '127.0.0.1');
        await new Promise((done) => taken.once('listening', done));
        const { port } = taken.address();
        fs.writeFileSync(path.join(folder, 'taken.yaml'), `listen: 127.0.0.1:${port}\nproviders:\n  a: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", models: [m]}\n`);
        const done = await run(['serve', '-c', 'taken.yaml'], { cwd: folder });
        taken.close();
        assert.equal(done.code, 1, done.stderr);
        assert.match(done.stderr, new RegExp(String(port)));
    });

    test('schema is a JSON Schema of the file', LIMIT, async () => {
        const done = await run(['schema']);
        assert.equal(done.code, 0);
        const whole = JSON.parse(done.stdout);
        assert.match(whole.$schema, /draft-07/);
        const schema = whole.definitions.ROOT;
        for (const key of ['listen', 'providers', 'routing', 'models', 'limits', 'tls', 'keys', 'telemetry']) {
            assert.ok(schema.properties[key], key);
            assert.ok(JSON.stringify(schema.properties[key]).includes('description') || schema.properties[key].$ref, key);
        }
        assert.equal(schema.additionalProperties, false);
    });

    test('check accepts a good file', LIMIT, async () => {
        const done = await check('listen: 127.0.0.1:3247\nproviders:\n  a: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", models: [m]}\nmodels:\n  x: {targets: [a/m]}\n');
        assert.equal(done.code, 0, done.stderr + done.stdout);
    });

    const broken = {
        'a misspelt key': ['routing:\n  failover_treshold: 2\n', /f\.yaml:2:3: error: .*failover_treshold.*did you mean '?failover_threshold'?/],
        'a misspelt top-level key': ['provders:\n  openai: {}\n', /f\.yaml:1:1: error: .*provders.*did you mean '?providers'?/],
        'a wrong enumerator': ['routing:\n  strategy: hybird\n', /f\.yaml:2:13: error: .*hybird.*hybrid/],
        'a number out of range': ['routing:\n  failover_threshold: 0\n', /f\.yaml:2:23: error: /],
        'a word for a number': ['workers: many\n', /f\.yaml:1:10: error: .*many/],
        'a bad duration': ['routing:\n  timeouts:\n    connect: 5 parsecs\n', /f\.yaml:3:14: error: .*parsecs/],
        'a bad URL': ['providers:\n  a:\n    type: openai_compatible\n    base_url: ftp://x\n', /f\.yaml:4:15: error: /],
        'a duplicate key': ['workers: 1\nworkers: 2\n', /f\.yaml:2:1: error: .*workers/],
        'a tab': ['routing:\n\tstrategy: cost\n', /f\.yaml:2:\d+: error: .*[Tt]ab/],
        'a list that never ends': ['providers:\n  a: [1, 2\n', /f\.yaml:\d+:\d+: error: /],
        'an unset variable': ['providers:\n  openai:\n    api_key: ${E2E_NOT_SET}\n', /f\.yaml:3:14: error: .*E2E_NOT_SET/],
        'an unknown target': ['providers:\n  a: {type: openai_compatible, base_url: "http://x/v1", models: [m]}\nmodels:\n  x: {targets: [b/m]}\n', /f\.yaml:4:17: error: .*b\/m/],
        'an alias that goes in a circle': ['providers:\n  a: {type: openai_compatible, base_url: "http://x/v1", models: [m]}\nmodels:\n  x: {alias: y}\n  y: {alias: x}\n', /f\.yaml:[45]:\d+: error: /],
        'a missing certificate': ['tls:\n  cert: /nonexistent/c.pem\n  key: /nonexistent/k.pem\n', /f\.yaml:2:9: error: .*\/nonexistent\/c\.pem/],
        'lost indentation': ['routing:\nstrategy: hybrid\nproviders:\nopenai:\nweight: 3\n', /f\.yaml:\d+:\d+: error: .*indent/],
    };
    for (const [name, [text, expected]] of Object.entries(broken)) {
        test(`check: ${name}`, LIMIT, async () => {
            const done = await check(text);
            assert.equal(done.code, 3, done.stdout + done.stderr);
            assert.match(done.stdout + done.stderr, expected);
        });
    }

    test('check tells all errors in one run, each with its line and a caret', LIMIT, async () => {
        const done = await check('workers: many\nproviders:\n  ollama: {}\nrouting:\n  strategy: hybird\n  failover_treshold: 2\n');
        const text = done.stdout + done.stderr;
        assert.equal(done.code, 3);
        assert.deepEqual([...text.matchAll(/^f\.yaml:(\d+):\d+: error:/gm)].map((m) => m[1]), ['1', '5', '6']);
        assert.equal([...text.matchAll(/^ *\| *\^~*$/gm)].length, 3, text);
        assert.match(text, /3 errors/);
    });

    test('check knows secrets and does not show them', LIMIT, async () => {
        const done = await check('providers:\n  openai:\n    api_key: ${E2E_KEY}\n    weigth: 2\n', { env: { E2E_KEY: 'sk-very-secret' } });
        assert.equal(done.code, 3);
        assert.doesNotMatch(done.stdout + done.stderr, /sk-very-secret/);
    });

    test('the earlier router\'s file loads as it is', LIMIT, async (t) => {
        const file = path.join(ROOT, 'examples/routing_config.yaml');
        if (!fs.existsSync(file)) return t.skip('no examples/routing_config.yaml');
        const done = await run(['check', file], { env: { OPENAI_API_KEY: 'x', TOGETHER_API_KEY: 'x', ANTHROPIC_API_KEY: 'x' } });
        assert.equal(done.code, 0, done.stdout + done.stderr);
    });

    test('demo --once answers the three prompts, shows a failover, and exits 0', LIMIT, async () => {
        const port = await freePort();
        const done = await run(['demo', '--once', '--seed', '7', '--listen', `127.0.0.1:${port}`], { timeout: 50000 });
        assert.equal(done.code, 0, done.stderr);
        for (const prompt of ['Summarize the benefits of AI routing', 'Classify this text as positive or negative', 'Generate a creative story about AI']) {
            assert.ok(done.stdout.includes(prompt), `${prompt}\n${done.stdout}`);
        }
        assert.match(done.stdout, new RegExp(`http://127\\.0\\.0\\.1:${port}/v1`));
        assert.match(done.stdout, /fail/i);
        assert.match(done.stdout, /\d+(\.\d+)? ?m?s\b/);
        assert.doesNotMatch(done.stdout, /\x1b\[/, 'no colours when not on a terminal');
    });

    test('demo --once with the same seed chooses the same targets', LIMIT, async () => {
        const targets = [];
        for (let i = 0; i < 2; i++) {
            const done = await run(['demo', '--once', '--seed', '42', '--listen', `127.0.0.1:${await freePort()}`], { timeout: 50000 });
            assert.equal(done.code, 0, done.stderr);
            targets.push([...done.stdout.matchAll(/[\w.-]+-sim\S*/g)].map((m) => m[0]).slice(0, 3).join(' '));
        }
        assert.equal(targets[0], targets[1]);
    });
});
