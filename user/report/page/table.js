/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of stacks. Of fifty thousand rows only those in sight are elements: the others are
 * height. A stack that is open shows its frames below its row; how high that is, is measured when it
 * is drawn.
 */

const ABOVE_AND_BELOW = 10;

const verdictRank = (s) => {
	const i = VERDICTS.indexOf(strings[s[STACK.verdict]]);
	return i < 0 ? VERDICTS.length : i;
};
const byText = (column) => (a, b) => {
	const x = strings[a[column]], y = strings[b[column]];
	return !x - !y || (x < y ? -1 : x > y ? 1 : 0);
};
const byNumber = (column) => (a, b) => b[column] - a[column];

const COLUMNS = [
	{id: "bytes", name: isDiff ? "Change" : "Bytes", compare: byNumber(STACK.bytes), text: (s) => formatAmount(s[STACK.bytes])},
	{id: "blocks", name: "Blocks", compare: byNumber(STACK.blocks),
		text: (s) => isDiff ? signed(s[STACK.blocks], formatCount) : formatCount(s[STACK.blocks])},
	{id: "growth", name: "Growth", compare: byNumber(STACK.growth),
		text: (s) => s[STACK.growth] ? signed(s[STACK.growth], formatBytes) + "/s" : "0"},
	{id: "age", name: "Age", compare: byNumber(STACK.oldest), text: (s) => formatAge(s[STACK.oldest])},
	{id: "verdict", name: "Verdict", compare: (a, b) => verdictRank(a) - verdictRank(b),
		text: (s) => strings[s[STACK.verdict]] + (s[STACK.flags] & IN_CYCLE ? ", cycle" : "") +
			(s[STACK.flags] & SUPPRESSED ? ", suppressed" : "")},
	{id: "type", name: "Type", compare: byText(STACK.type), text: (s) => legible(strings[s[STACK.type]])},
	{id: "stack", name: "Allocated by", compare: null, text: (s) => callers(s[STACK.node])},
];

/* The function that called the allocator, where in it, and its caller. */
function callers(node) {
	const [first, second] = framesOf(node);
	const source = first === undefined ? "" : basename(frameSource(first));
	return (first === undefined ? "" : shorten(frameName(first), 200)) + (source && " " + source) +
		(second === undefined ? "" : " \u2190 " + shorten(frameName(second), 200));
}

function frameItem(frame) {
	const f = data.frames[frame], item = element("li", "");
	const offset = strings[f[FRAME.offset]];
	const name = frameName(frame) + (offset && offset !== "0x0" ? "+" + offset : "");
	item.append(element("span", name.length > 400 ? "name long" : "name", name));
	if (f[FRAME.flags] & INLINED)
		item.append(element("span", "tag", "inlined"));
	if (f[FRAME.flags] & BY_FRAME_POINTER)
		item.append(element("span", "tag", "by frame pointer"));
	if (f[FRAME.file])
		item.append(" ", element("span", "source", frameSource(frame)));
	if (f[FRAME.module])
		item.append(" ", element("span", "module", "(" + frameModule(frame) + ")"));
	return item;
}

class Table {
	constructor(head, scroller, rows) {
		this.head = head;
		this.scroller = scroller;
		this.rows = rows;
		this.stacks = [];
		this.open = new Map(); /* stack to the height of its frames */
		this.active = null; /* the stack that has the keyboard */
		this.sorted = {id: "bytes", down: true};
		this.onsort = () => {};
		this.makeHead();
		scroller.addEventListener("scroll", () => this.draw());
		rows.addEventListener("click", (e) => this.click(e));
		rows.addEventListener("focusin", (e) => this.active = this.stacks[e.target.dataset.place] || this.active);
		rows.addEventListener("keydown", (e) => this.key(e));
	}

	makeHead() {
		COLUMNS.forEach((column, i) => {
			const cell = element("div", "cell " + column.id);
			cell.setAttribute("role", "columnheader");
			cell.setAttribute("aria-colindex", i + 1);
			if (column.compare) {
				const button = element("button", "", column.name);
				button.type = "button";
				button.addEventListener("click", () => this.sortBy(column.id));
				cell.append(button);
			} else {
				cell.append(column.name);
			}
			this.head.append(cell);
			column.cell = cell;
		});
	}

	sortBy(id) {
		this.sorted = {id, down: this.sorted.id === id ? !this.sorted.down : true};
		this.sort();
		this.scroller.scrollTop = 0;
		this.draw();
		this.onsort(id);
	}

	sort() {
		const {id, down} = this.sorted, {compare} = COLUMNS.find((c) => c.id === id);
		const ties = byNumber(STACK.bytes);
		this.stacks.sort((a, b) => (down ? compare(a, b) : compare(b, a)) || ties(a, b));
		for (const column of COLUMNS)
			if (column.compare)
				column.cell.setAttribute("aria-sort", column.id !== id ? "none"
					: down ? "descending" : "ascending");
		this.number();
	}

	/* Where the rows are. */
	number() {
		this.place = new Map(this.stacks.map((s, i) => [s, i]));
		for (const s of this.open.keys())
			if (!this.place.has(s))
				this.open.delete(s);
		if (!this.place.has(this.active))
			this.active = this.stacks[0] || null;
	}

	show(stacks) {
		this.stacks = stacks;
		this.sort();
		byId("table").setAttribute("aria-rowcount", stacks.length + 1);
		this.scroller.scrollTop = 0;
		this.draw();
	}

	rowHeight() {
		return parseFloat(getComputedStyle(this.head).getPropertyValue("--row")) || 30;
	}

	/* The open stacks in the order of the table, as [place, height]. */
	gaps() {
		return [...this.open].map(([s, height]) => [this.place.get(s), height]).sort((a, b) => a[0] - b[0]);
	}

	top(place, gaps, h) {
		let y = place * h;
		for (const [at, height] of gaps)
			if (at < place)
				y += height;
		return y;
	}

	placeAt(y, gaps, h) {
		let above = 0;
		for (const [at, height] of gaps) {
			if ((at + 1) * h + above > y)
				break;
			if ((at + 1) * h + above + height > y)
				return at;
			above += height;
		}
		return Math.max(0, Math.floor((y - above) / h));
	}

	draw() {
		const h = this.rowHeight(), gaps = this.gaps(), n = this.stacks.length;
		this.rows.style.height = this.top(n, gaps, h) + "px";
		const from = Math.max(0, this.placeAt(this.scroller.scrollTop, gaps, h) - ABOVE_AND_BELOW);
		const end = this.scroller.scrollTop + this.scroller.clientHeight;
		const to = Math.min(n, this.placeAt(end, gaps, h) + 1 + ABOVE_AND_BELOW);
		const focus = this.rows.contains(document.activeElement);
		const fragment = document.createDocumentFragment();
		const opened = [];
		for (let i = from; i < to; i++) {
			const s = this.stacks[i], y = this.top(i, gaps, h);
			fragment.append(this.row(s, i, y));
			if (this.open.has(s)) {
				const frames = this.frames(s, i, y + h);
				fragment.append(frames);
				opened.push([s, frames]);
			}
		}
		this.rows.replaceChildren(fragment);
		if (focus)
			this.focus();
		let moved = false;
		for (const [s, frames] of opened) {
			moved ||= this.open.get(s) !== frames.offsetHeight;
			this.open.set(s, frames.offsetHeight);
		}
		if (moved)
			this.draw();
	}

	row(s, i, y) {
		const e = element("div", "row" + (this.open.has(s) ? " open" : ""));
		e.setAttribute("role", "row");
		e.setAttribute("aria-level", "1");
		e.setAttribute("aria-rowindex", i + 2);
		e.setAttribute("aria-expanded", String(this.open.has(s)));
		e.dataset.place = i;
		e.tabIndex = s === this.active ? 0 : -1;
		e.style.top = y + "px";
		COLUMNS.forEach((column, k) => {
			const text = column.text(s), cell = element("div", "cell " + column.id, shorten(text, 400));
			cell.setAttribute("role", "gridcell");
			cell.setAttribute("aria-colindex", k + 1);
			if (column.id === "verdict" && text)
				cell.classList.add(strings[s[STACK.verdict]]);
			if (isDiff && column.id === "bytes")
				cell.classList.add(s[STACK.bytes] < 0 ? "shrank" : "grew");
			e.append(cell);
		});
		return e;
	}

	frames(s, i, y) {
		const e = element("div", "frames"), list = element("ol", ""), process = data.processes[s[STACK.process]];
		const cell = element("div", "");
		const facts = [formatBlocks(s[STACK.blocks]) + " of " + legible(strings[s[STACK.family]])];
		if (!isDiff)
			facts.push("newest " + formatAge(s[STACK.newest]) + " old");
		if (s[STACK.error])
			facts.push("\u00b1 " + formatBytes(s[STACK.error]) + " (standard error)");
		if (data.processes.length > 1)
			facts.push(legible(process.comm) + "[" + process.pid + "]");
		e.setAttribute("role", "row");
		e.setAttribute("aria-level", "2");
		cell.setAttribute("role", "gridcell");
		e.style.top = y + "px";
		cell.append(element("p", "facts", facts.join(" \u00b7 ")));
		if (s[STACK.hint])
			cell.append(element("p", "", legible(strings[s[STACK.hint]])));
		if (s[STACK.remedy])
			cell.append(element("p", "remedy", legible(strings[s[STACK.remedy]])));
		for (const frame of framesOf(s[STACK.node]))
			list.append(frameItem(frame));
		cell.append(list);
		e.append(cell);
		e.dataset.place = i;
		return e;
	}

	toggle(s, open = !this.open.has(s)) {
		if (open)
			this.open.set(s, 0);
		else
			this.open.delete(s);
		this.draw();
	}

	/* Bring @s into sight, open. */
	reveal(s) {
		if (!this.place.has(s))
			return;
		this.active = s;
		this.toggle(s, true);
		this.scroller.scrollTop = this.top(this.place.get(s), this.gaps(), this.rowHeight());
		this.draw();
		this.focus();
	}

	focus() {
		const e = this.rows.querySelector('.row[tabindex="0"]');
		if (e)
			e.focus({preventScroll: true});
	}

	click(e) {
		const row = e.target.closest(".row");
		if (!row)
			return;
		this.active = this.stacks[row.dataset.place];
		this.toggle(this.active);
		this.focus();
	}

	move(place) {
		const h = this.rowHeight(), s = this.stacks[Math.max(0, Math.min(place, this.stacks.length - 1))];
		if (!s)
			return;
		this.active = s;
		const y = this.top(this.place.get(s), this.gaps(), h);
		if (y < this.scroller.scrollTop)
			this.scroller.scrollTop = y;
		else if (y + h > this.scroller.scrollTop + this.scroller.clientHeight)
			this.scroller.scrollTop = y + h - this.scroller.clientHeight;
		this.draw();
		this.focus();
	}

	key(e) {
		const at = this.place.get(this.active);
		const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight()) - 1);
		const moves = {
			ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page,
			Home: 0, End: this.stacks.length - 1,
		};
		if (at === undefined || e.ctrlKey || e.altKey || e.metaKey)
			return;
		if (e.key in moves)
			this.move(moves[e.key]);
		else if (e.key === "Enter" || e.key === " ")
			this.toggle(this.active);
		else if (e.key === "ArrowRight" || e.key === "ArrowLeft")
			this.toggle(this.active, e.key === "ArrowRight");
		else
			return;
		e.preventDefault();
	}
}
