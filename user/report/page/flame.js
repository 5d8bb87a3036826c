/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flame graph: a box for each function, the outermost on top. Only what is wide enough to be
 * seen becomes an element. */

const ROW_HEIGHT = 20, NARROWEST = 2.5, NAMED = 24, HUES = 8;

/* Modules have colours, those that occur most first. */
const hueOf = new Map();
(() => {
	const count = new Map();
	for (const f of data.frames)
		if (f[FRAME.pc])
			count.set(f[FRAME.module], (count.get(f[FRAME.module]) || 0) + 1);
	[...count].sort((a, b) => b[1] - a[1]).forEach(([module], i) => hueOf.set(module, Math.min(i, HUES - 1)));
})();

class Flame {
	constructor(container, inspect) {
		this.container = container;
		this.inspect = inspect;
		this.zoomed = 0;
		this.hits = null;
		this.onzoom = () => {};
		container.addEventListener("click", (e) => this.enter(this.boxAt(e.target)));
		container.addEventListener("keydown", (e) => this.key(e));
		container.addEventListener("pointerover", (e) => this.point(this.boxAt(e.target)));
		container.addEventListener("focusin", (e) => this.point(this.boxAt(e.target)));
	}

	boxAt(target) {
		const e = target.closest("[data-box]");
		return e && this.container.contains(e) ? Number(e.dataset.box) : -1;
	}

	point(box) {
		if (box >= 0)
			this.inspect(this.tree, box);
	}

	show(tree) {
		this.tree = tree;
		this.zoomed = 0;
		this.draw();
	}

	highlight(hits) {
		this.hits = hits;
		this.draw();
	}

	/* A click on the box that fills the graph goes back to its caller's. */
	enter(box) {
		if (box < 0)
			return;
		this.zoomed = box === this.zoomed ? Math.max(this.tree.parent[box], 0) : box;
		this.draw(box);
	}

	reset() {
		this.zoomed = 0;
		this.draw();
	}

	/* The boxes that are seen: [box, left, width, depth], by rows. */
	visible(width) {
		const t = this.tree, callers = [], seen = [];
		for (let b = t.parent[this.zoomed]; b >= 0; b = t.parent[b])
			callers.unshift(b);
		callers.forEach((b, depth) => seen.push([b, 0, width, depth]));
		const scale = t.weight[this.zoomed] > 0 ? width / t.weight[this.zoomed] : 0;
		let row = [[this.zoomed, 0, t.weight[this.zoomed] * scale, callers.length]];
		while (row.length) {
			const next = [];
			for (const [box, left, w, depth] of row) {
				seen.push([box, left, w, depth]);
				let x = left;
				for (const callee of t.children(box)) {
					const wide = t.weight[callee] * scale;
					if (wide >= NARROWEST)
						next.push([callee, x, wide, depth + 1]);
					x += wide;
				}
			}
			row = next;
		}
		return seen;
	}

	name(box) {
		return box ? frameName(this.tree.frame[box]) : "all";
	}

	color(box) {
		const t = this.tree;
		if (isDiff && box) {
			const share = t.weight[box] ? Math.abs(t.bytes[box]) / t.weight[box] : 0;
			return (t.bytes[box] < 0 ? "s" : "g") + Math.min(2, Math.floor(share * 3));
		}
		const hue = box ? hueOf.get(data.frames[t.frame[box]][FRAME.module]) : undefined;
		return hue === undefined || (box && !data.frames[t.frame[box]][FRAME.pc]) ? "m" : "c" + hue;
	}

	element(box, left, width, depth, callers) {
		const t = this.tree, name = this.name(box), e = document.createElement("div");
		e.className = "box " + this.color(box) + (depth < callers ? " caller" : "");
		if (this.hits && box)
			e.classList.add(this.hits.functions[functionOf[t.frame[box]]] ? "hit" : "miss");
		e.dataset.box = box;
		e.tabIndex = -1;
		e.style.left = left + "px";
		e.style.width = Math.max(width - 1, 1) + "px";
		e.style.top = depth * ROW_HEIGHT + "px";
		e.setAttribute("role", "treeitem");
		e.setAttribute("aria-level", depth + 1);
		e.setAttribute("aria-label", shorten(name, 300) + ", " + formatAmount(t.bytes[box]) + " in " +
			formatBlocks(t.blocks[box]) + ", " + formatShare(t.weight[box], t.weight[0]));
		if (t.children(box).length)
			e.setAttribute("aria-expanded", "true");
		if (width >= NAMED)
			e.textContent = (isDiff && box && t.bytes[box] ? (t.bytes[box] < 0 ? "\u2212 " : "+ ") : "") +
				shorten(name, Math.ceil(width / 4));
		return e;
	}

	draw(focused) {
		const width = this.container.clientWidth;
		const boxes = this.visible(width);
		const callers = boxes.findIndex(([box]) => box === this.zoomed);
		const fragment = document.createDocumentFragment();
		let deepest = 0;
		this.elements = new Map();
		for (const [box, left, w, depth] of boxes) {
			const e = this.element(box, left, w, depth, callers);
			this.elements.set(box, e);
			fragment.append(e);
			deepest = Math.max(deepest, depth);
		}
		const floor = document.createElement("div");
		floor.className = "floor";
		floor.style.height = (deepest + 1) * ROW_HEIGHT + "px";
		this.container.replaceChildren(floor, fragment);
		let entry = focused === undefined ? this.zoomed : focused;
		while (!this.elements.has(entry))
			entry = this.tree.parent[entry];
		this.elements.get(entry).tabIndex = 0;
		if (focused !== undefined)
			this.elements.get(entry).focus();
		this.onzoom(this.zoomed);
	}

	/* The box that is reached from @box by a key; -1: none. */
	neighbour(box, key) {
		const t = this.tree, siblings = box ? t.children(t.parent[box]) : [box];
		const shown = (list) => list.find((b) => this.elements.has(b)) ?? -1;
		switch (key) {
		case "ArrowUp":
			return t.parent[box];
		case "ArrowDown":
			return shown(t.children(box));
		case "ArrowLeft":
			return shown(siblings.slice(0, siblings.indexOf(box)).reverse());
		case "ArrowRight":
			return shown(siblings.slice(siblings.indexOf(box) + 1));
		case "Home":
			return 0;
		}
		return -1;
	}

	key(e) {
		const box = this.boxAt(e.target);
		if (box < 0 || e.ctrlKey || e.altKey || e.metaKey)
			return;
		if (e.key === "Enter" || e.key === " ") {
			e.preventDefault();
			this.enter(box);
		} else if (e.key === "Escape") {
			e.preventDefault();
			this.zoomed = 0;
			this.draw(box);
		} else if (/^Arrow|^Home$/.test(e.key)) {
			e.preventDefault();
			const next = this.neighbour(box, e.key);
			if (next < 0 || !this.elements.has(next))
				return;
			this.elements.get(box).tabIndex = -1;
			this.elements.get(next).tabIndex = 0;
			this.elements.get(next).focus();
		}
	}
}
