/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and names as people read them, the same as in the text report. */

/* Characters that are not seen, or that make what follows look like something else. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

function legible(name) {
	return name.replace(UNSEEN, (c) => {
		const code = c.charCodeAt(0);
		return code < 0x80 ? "\\x" + code.toString(16).padStart(2, "0")
			: "\\u" + code.toString(16).padStart(4, "0");
	});
}

function shorten(text, length) {
	return text.length > length ? text.slice(0, length - 1) + "\u2026" : text;
}

function basename(path) {
	const at = path.lastIndexOf("/");
	return at >= 0 && at + 1 < path.length ? path.slice(at + 1) : path;
}

function scaled(n, base, units) {
	let tenths = n / base * 10, unit = 0;
	for (; tenths + 0.5 >= 10 * base && unit + 1 < units.length; unit++)
		tenths /= base;
	return (Math.floor(tenths + 0.5) / 10).toFixed(1) + units[unit];
}

function grouped(n) {
	return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

function formatBytes(bytes) {
	return bytes < 10240 ? grouped(bytes) + " B"
		: scaled(bytes, 1024, [" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"]);
}

function formatCount(n) {
	return n < 1e6 ? grouped(n) : scaled(n, 1000, ["K", "M", "G", "T", "P", "E"]);
}

/* With the sign of a change; a real minus, as wide as the plus. */
function signed(n, format) {
	return (Math.abs(n) < 0.5 ? "" : n < 0 ? "\u2212" : "+") + format(Math.abs(n));
}

function formatAmount(bytes) {
	return isDiff ? signed(bytes, formatBytes) : formatBytes(bytes);
}

function formatBlocks(blocks) {
	const plural = Math.abs(blocks) === 1 ? " block" : " blocks";
	return (isDiff ? signed(blocks, formatCount) : formatCount(blocks)) + plural;
}

function formatAge(ms) {
	const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, "0");
	if (s < 1)
		return Math.floor(ms) + " ms";
	if (s < 60)
		return s + "." + Math.floor(ms % 1000 / 100) + " s";
	if (s < 3600)
		return Math.floor(s / 60) + "m" + two(s % 60) + "s";
	if (s < 86400)
		return Math.floor(s / 3600) + "h" + two(Math.floor(s % 3600 / 60)) + "m";
	return Math.floor(s / 86400) + "d" + two(Math.floor(s % 86400 / 3600)) + "h";
}

function formatShare(part, whole) {
	return whole > 0 ? (part / whole * 100).toFixed(1) + "%" : "";
}

/* An element with text in it, or with other elements. What comes from the process is text only. */
function element(tag, className, ...content) {
	const e = document.createElement(tag);
	if (className)
		e.className = className;
	e.append(...content);
	return e;
}

function byId(id) {
	return document.getElementById(id);
}
