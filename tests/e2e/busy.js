// SPDX-License-Identifier: GPL-2.0-or-later
// busy.js SECONDS: objects, strings, buffers and compression that come and go, with some that stay.
'use strict';
const zlib = require('zlib');
const crypto = require('crypto');

const end = Date.now() + 1000 * Number(process.argv[2]);
const kept = new Map();
let round = 0;

function work() {
	for (let i = 0; i < 50; i++, round++) {
		const data = Buffer.alloc(1000 + (round % 7) * 997, `round ${round}`);

		kept.set(round % 500, { data: zlib.deflateSync(data), at: new Date(round), text: 'x'.repeat(round % 300) });
		crypto.createHash('sha256').update(data).digest('hex');
		JSON.parse(JSON.stringify([...kept.keys()]));
	}
	if (Date.now() < end)
		setImmediate(work);
}
work();
