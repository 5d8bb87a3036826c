/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outstanding bytes over time: of the processes, or of one of them and its largest stacks. */

const LINES = 7, PLOT_HEIGHT = 240, EDGE = {left: 76, right: 26, top: 14, bottom: 28};

function shape(tag, className, attributes, ...content) {
	const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
	if (className)
		e.setAttribute("class", className);
	for (const [name, value] of Object.entries(attributes))
		e.setAttribute(name, value);
	e.append(...content);
	return e;
}

function pointsOf(flat) {
	const points = [];
	for (let i = 0; i + 1 < flat.length; i += 2)
		points.push([flat[i], flat[i + 1]]);
	return points;
}

/* That of a process, with the peak, which no report need have met. Of one moment alone a line is
 * drawn from the start, where nothing was outstanding. */
function processLine(process, flat) {
	const p = data.processes[process], points = pointsOf(flat);
	if (p.peak.bytes > 0 && p.peak.at_s > 0 && !points.some(([at]) => at === p.peak.at_s))
		points.push([p.peak.at_s, p.peak.bytes]);
	if (pointsOf(flat).length < 2)
		points.push([0, 0]);
	return points.sort((a, b) => a[0] - b[0]);
}

/* Lines of what is shown: {name, points, node, stack}, of stacks those first that held most once.
 * @process -1: all of them; @all: of stacks that hold nothing any more too. */
function plotLines(process, stacks, all) {
	const last = (l) => l.points[l.points.length - 1][1];
	const one = data.processes.length === 1 ? 0 : process;
	const lines = [];
	const byNode = new Map();
	for (const s of stacks) {
		const key = s[STACK.process] + " " + s[STACK.node] + " " + s[STACK.family];
		if (!byNode.has(key))
			byNode.set(key, s);
	}
	for (const [p, node, family, flat] of data.histories) {
		if (one >= 0 && p !== one)
			continue;
		if (node < 0) {
			lines.push({name: legible(data.processes[p].comm) + "[" + data.processes[p].pid + "]",
				points: processLine(p, flat), process: p});
		} else if (one >= 0 && (all || byNode.has(p + " " + node + " " + family))) {
			const stack = byNode.get(p + " " + node + " " + family);
			lines.push({name: callers(node), points: pointsOf(flat), stack, node});
		}
	}
	return lines.filter((l) => l.points.length).sort((a, b) => (a.node === undefined && b.node === undefined) *
		(last(b) - last(a))).slice(0, LINES);
}

/* Round numbers up to a little more than @max. */
function ticks(max, steps) {
	const step = steps.find((s) => max / s <= 5) || max / 4 || 1, list = [];
	for (let x = 0; x <= max * 1.0001; x += step)
		list.push(x);
	return list;
}

const BYTE_STEPS = [];
for (let unit = 1; unit < 2 ** 70; unit *= 1024)
	for (const n of [1, 2, 5, 10, 20, 50, 100, 200, 500])
		BYTE_STEPS.push(n * unit);
const TIME_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400,
	21600, 43200, 86400, 172800, 604800];

function tickBytes(bytes) {
	const text = formatBytes(bytes < 10240 && bytes >= 1024 ? bytes * 1024 : bytes);
	return bytes < 10240 && bytes >= 1024 ? text.replace("MiB", "KiB").replace(".0", "") : text.replace(".0", "");
}

class Plot {
	constructor(container, legend, reading, reveal) {
		this.container = container;
		this.legend = legend;
		this.reading = reading;
		this.reveal = reveal;
		this.lines = [];
	}

	show(lines) {
		this.lines = lines;
		this.draw();
		this.legend.replaceChildren(...lines.map((line, i) => this.entry(line, i)));
	}

	entry(line, i) {
		const last = line.points[line.points.length - 1];
		const most = Math.max(...line.points.map(([, bytes]) => bytes));
		const text = shorten(line.name, 160) + " \u2014 " + formatBytes(last[1]) +
			(most > last[1] * 1.2 ? ", once " + formatBytes(most) : "");
		const swatch = shape("svg", "swatch", {width: 26, height: 10, "aria-hidden": "true"},
			shape("line", "line l" + i, {x1: 1, y1: 5, x2: 25, y2: 5}));
		if (!line.stack)
			return element("li", "", swatch, text);
		const button = element("button", "link", text);
		button.type = "button";
		button.addEventListener("click", () => this.reveal(line.stack));
		return element("li", "", swatch, button);
	}

	draw() {
		const width = Math.max(this.container.clientWidth, 200), all = this.lines.flatMap((l) => l.points);
		if (!all.length)
			return;
		const lastS = Math.max(...all.map(([at]) => at), 0.1), most = Math.max(...all.map(([, b]) => b), 1);
		const byteTicks = ticks(most, BYTE_STEPS);
		const timeTicks = ticks(lastS, width < 500 ? TIME_STEPS.map((s) => s * 2) : TIME_STEPS);
		this.x = (at) => EDGE.left + at / lastS * (width - EDGE.left - EDGE.right);
		this.y = (bytes) => PLOT_HEIGHT - EDGE.bottom - bytes / (most * 1.05) * (PLOT_HEIGHT - EDGE.top - EDGE.bottom);
		this.width = width;
		const svg = shape("svg", "", {width, height: PLOT_HEIGHT, viewBox: `0 0 ${width} ${PLOT_HEIGHT}`,
			role: "img", tabindex: 0, "aria-label": this.summary()});
		for (const b of byteTicks)
			svg.append(shape("line", "grid", {x1: EDGE.left, x2: width - EDGE.right, y1: this.y(b), y2: this.y(b)}),
				shape("text", "tick", {x: EDGE.left - 8, y: this.y(b) + 4, "text-anchor": "end"}, tickBytes(b)));
		for (const t of timeTicks)
			svg.append(shape("text", "tick", {x: this.x(t), y: PLOT_HEIGHT - 8, "text-anchor": "middle"},
				t ? formatAge(t * 1000).replace(".0 s", " s").replace("m00s", "m") : "0"));
		for (let i = this.lines.length - 1; i >= 0; i--)
			svg.append(...this.line(this.lines[i].points, i));
		this.cursor = shape("line", "cursor", {y1: EDGE.top, y2: PLOT_HEIGHT - EDGE.bottom, x1: -9, x2: -9});
		svg.append(this.cursor);
		svg.addEventListener("pointermove", (e) => this.read(this.nearest(e.clientX - svg.getBoundingClientRect().left)));
		svg.addEventListener("keydown", (e) => this.key(e));
		this.container.replaceChildren(svg);
		this.moments = [...new Set(this.lines[0].points.map(([at]) => at))];
		this.at = this.moments.length;
	}

	line(points, i) {
		const path = points.map(([at, b], k) => (k ? "L" : "M") + this.x(at).toFixed(1) + " " + this.y(b).toFixed(1));
		const shapes = [shape("path", "line l" + i, {d: path.join("")})];
		if (points.length <= 60)
			for (const [at, b] of points)
				shapes.push(shape("circle", "dot l" + i, {cx: this.x(at).toFixed(1), cy: this.y(b).toFixed(1), r: 2.5}));
		return shapes;
	}

	summary() {
		return this.lines.map(({name, points}) => `${shorten(name, 80)}: from ${formatBytes(points[0][1])} at ` +
			`${formatAge(points[0][0] * 1000)} to ${formatBytes(points[points.length - 1][1])} at ` +
			`${formatAge(points[points.length - 1][0] * 1000)}`).join("; ") + ". Arrow keys read the points.";
	}

	nearest(x) {
		const distance = (i) => Math.abs(this.x(this.moments[i]) - x);
		return this.moments.reduce((best, _, i) => distance(i) < distance(best) ? i : best, 0);
	}

	read(i) {
		this.at = i;
		const moment = this.moments[i], x = this.x(moment);
		this.cursor.setAttribute("x1", x);
		this.cursor.setAttribute("x2", x);
		const values = this.lines.map(({name, points}) => {
			const point = points.find(([at]) => at === moment);
			return point && shorten(name, 40) + " " + formatBytes(point[1]);
		});
		this.reading.textContent = formatAge(moment * 1000) + ": " + values.filter(Boolean).join(" \u00b7 ");
	}

	key(e) {
		const step = {ArrowLeft: -1, ArrowRight: 1}[e.key];
		if (!step)
			return;
		e.preventDefault();
		this.read(Math.max(0, Math.min(this.moments.length - 1, this.at + step)));
	}
}
