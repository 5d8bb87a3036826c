/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frees that are wrong: what is wrong with them, and the stacks of both sides. */

function wrongFreeTitle(f) {
	const parts = [f.kind.replace("_", " ")];
	parts.push(f.alloc_family === null ? "of what is no block" : formatBytes(f.bytes) + " given by " + legible(f.alloc_family));
	parts.push("freed by " + legible(f.free_family) + (f.deleted_bytes === undefined ? "" : " as " + formatBytes(f.deleted_bytes)));
	const [where] = framesOf(f.free);
	if (where !== undefined)
		parts.push("in " + shorten(frameName(where), 200));
	if (f.type)
		parts.push(shorten(legible(f.type), 200));
	if (f.count > 1)
		parts.push(grouped(f.count) + " times");
	if (f.suppressed)
		parts.push("suppressed");
	return parts.join(", ");
}

function wrongFreeSide(title, node) {
	const list = element("ol", "");
	list.append(...framesOf(node).map(frameItem));
	return [element("p", "hint", title), list];
}

function wrongFree(f) {
	const item = element("details", "");
	item.append(element("summary", "", wrongFreeTitle(f)), element("p", "remedy", legible(f.remedy)));
	if (f.free)
		item.append(...wrongFreeSide("Freed by", f.free));
	if (f.alloc)
		item.append(...wrongFreeSide("Allocated by", f.alloc));
	if (f.first)
		item.append(...wrongFreeSide("Freed before by", f.first));
	return item;
}

/* Those of one process, or of all where it is below 0. */
function showWrongFrees(process) {
	const shown = data.wrong_frees.filter((f) => process < 0 || f.process === process);
	byId("wrong-section").hidden = !shown.length;
	byId("wrong").replaceChildren(...shown.map(wrongFree));
}
