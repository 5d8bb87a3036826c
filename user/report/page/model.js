/* SPDX-License-Identifier: GPL-2.0-or-later */
"use strict";

/* The data, and what is made of it for those stacks that are shown. html.h says what is where. */

const data = JSON.parse(document.getElementById("data").textContent);
const strings = data.strings;
const isDiff = data.report.diff === true;

const FRAME = {name: 0, offset: 1, file: 2, line: 3, module: 4, pc: 5, flags: 6};
const INLINED = 1, BY_FRAME_POINTER = 2;
const STACK = {
	process: 0, node: 1, family: 2, verdict: 3, type: 4, flags: 5, blocks: 6, bytes: 7,
	growth: 8, oldest: 9, newest: 10, error: 11, remedy: 12, hint: 13,
};
const IN_CYCLE = 1, SUPPRESSED = 2, RESOURCE = 4;
const VERDICTS = ["definite", "indirect", "possible", "reachable"];

const nodeCount = data.nodes.length / 2;
const nodeParent = new Int32Array(nodeCount);
const nodeFrame = new Int32Array(nodeCount);
for (let i = 0; i < nodeCount; i++) {
	nodeParent[i] = i - data.nodes[2 * i];
	nodeFrame[i] = data.nodes[2 * i + 1];
}

function frameName(frame) {
	const f = data.frames[frame];
	return f[FRAME.name] ? legible(strings[f[FRAME.name]])
		: legible(basename(strings[f[FRAME.module]])) + "+" + strings[f[FRAME.pc]];
}

function frameSource(frame) {
	const f = data.frames[frame];
	return legible(strings[f[FRAME.file]]) + (f[FRAME.file] && f[FRAME.line] ? ":" + f[FRAME.line] : "");
}

function frameModule(frame) {
	return legible(strings[data.frames[frame][FRAME.module]]);
}

/* Functions: the frames of one name and module. */
const functionOf = new Int32Array(data.frames.length);
const functionCount = (() => {
	const known = new Map();
	for (let i = 0; i < data.frames.length; i++) {
		const f = data.frames[i];
		const key = (f[FRAME.name] ? "n" + f[FRAME.name] : "p" + f[FRAME.pc]) + " " + f[FRAME.module];
		if (!known.has(key))
			known.set(key, known.size);
		functionOf[i] = known.get(key);
	}
	return known.size;
})();

/* From the caller of the allocator outward. */
function framesOf(node) {
	const frames = [];
	for (let n = node; n > 0; n = nodeParent[n])
		frames.push(nodeFrame[n]);
	return frames;
}

function kindOf(stack) {
	if (stack[STACK.flags] & RESOURCE)
		return "resources";
	return strings[stack[STACK.family]] === "mmap" ? "mappings" : "heap";
}

/* Which frames, nodes and stacks have @text in them; null for all. */
function find(text) {
	const wanted = text.toLowerCase();
	const has = new Map();
	const stringHas = (i) => {
		if (!has.has(i))
			has.set(i, legible(strings[i]).toLowerCase().includes(wanted));
		return has.get(i);
	};
	if (!text)
		return null;
	const frames = new Uint8Array(data.frames.length);
	for (let i = 0; i < frames.length; i++) {
		const f = data.frames[i];
		frames[i] = stringHas(f[FRAME.name]) || stringHas(f[FRAME.file]) || stringHas(f[FRAME.module]) ||
			(!f[FRAME.name] && frameName(i).toLowerCase().includes(wanted));
	}
	const functions = new Uint8Array(functionCount);
	for (let i = 0; i < frames.length; i++)
		functions[functionOf[i]] |= frames[i];
	const nodes = new Uint8Array(nodeCount);
	for (let i = 1; i < nodeCount; i++)
		nodes[i] = nodes[nodeParent[i]] | frames[nodeFrame[i]];
	return {
		functions,
		stack: (s) => nodes[s[STACK.node]] || stringHas(s[STACK.type]) || stringHas(s[STACK.family]),
	};
}

/*
 * The boxes of the flame graph: nodes of one function below one box are one box. They do not depend
 * on what is shown. Numbers rise from callers to callees. Hundreds of thousands are common: arrays of
 * numbers, and a hash table of them, take a tenth of the time that a Map takes.
 */
const boxes = (() => {
	const boxOf = new Int32Array(nodeCount), parent = new Int32Array(nodeCount), frame = new Int32Array(nodeCount);
	let size = 16, count = 1;
	while (size < 2 * nodeCount)
		size *= 2;
	const table = new Int32Array(size);
	parent[0] = -1;
	for (let n = 1; n < nodeCount; n++) {
		const caller = boxOf[nodeParent[n]], f = functionOf[nodeFrame[n]];
		let slot = (Math.imul(caller, 0x9e3779b1) ^ Math.imul(f, 0x85ebca6b)) >>> 0;
		slot = (slot ^ slot >>> 15) & size - 1;
		while (table[slot] && (parent[table[slot]] !== caller || functionOf[frame[table[slot]]] !== f))
			slot = slot + 1 & size - 1;
		if (!table[slot]) {
			table[slot] = count;
			parent[count] = caller;
			frame[count++] = nodeFrame[n];
		}
		boxOf[n] = table[slot];
	}
	/* The callees of box b are callees[first[b]] to callees[first[b + 1] - 1]. */
	const first = new Int32Array(count + 1), callees = new Int32Array(count), next = new Int32Array(count);
	for (let b = 1; b < count; b++)
		first[parent[b] + 1]++;
	for (let b = 0; b < count; b++)
		first[b + 1] += first[b];
	for (let b = 1; b < count; b++)
		callees[first[parent[b]] + next[parent[b]]++] = b;
	return {boxOf, parent, frame, count, first, callees};
})();

/* What the boxes stand for when these stacks are shown. A box is as wide as its weight; in differences
 * that is growth and shrinkage taken together. */
function flameTree(stacks, metric) {
	const {boxOf, parent, frame, count, first, callees} = boxes;
	const bytes = new Float64Array(count), blocks = new Float64Array(count), weight = new Float64Array(count);
	const sorted = new Map();

	for (const s of stacks) {
		const b = boxOf[s[STACK.node]];
		bytes[b] += s[STACK.bytes];
		blocks[b] += s[STACK.blocks];
		weight[b] += Math.abs(s[STACK[metric]]);
	}
	for (let b = count - 1; b > 0; b--) {
		bytes[parent[b]] += bytes[b];
		blocks[parent[b]] += blocks[b];
		weight[parent[b]] += weight[b];
	}
	return {
		parent, frame, bytes, blocks, weight,
		/* The largest first. */
		children(b) {
			if (!sorted.has(b))
				sorted.set(b, Array.from(callees.subarray(first[b], first[b + 1])).filter((c) => weight[c])
					.sort((x, y) => weight[y] - weight[x] || x - y));
			return sorted.get(b);
		},
	};
}
