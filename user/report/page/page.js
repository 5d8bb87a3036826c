/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is shown, and the parts that show it. */

const LOSSES = {
	blocks: "allocations were not followed (--max-blocks)",
	frees: "frees were not seen",
	stacks: "blocks have no stack (--max-stacks)",
	truncated_stacks: "stacks are deeper than --stack-depth",
	broken_stacks: "stacks end early",
	events: "events were dropped",
	sites: "allocations are in no sum of allocations (--max-stacks)",
	wrong_frees: "wrong frees have no place here",
	unread_files: "files could not be read: names are missing",
	late: "files were probed when they could run already",
};

const flame = new Flame(byId("flame"), inspect);
const table = new Table(byId("columns"), byId("scroller"), byId("rows"));
const plot = new Plot(byId("plot"), byId("series"), byId("reading"), (s) => table.reveal(s));

/* The function under the pointer or the keyboard. */
function inspect(tree, box) {
	const facts = [formatAmount(tree.bytes[box]), formatBlocks(tree.blocks[box]),
		formatShare(tree.weight[box], tree.weight[0])];
	const lines = [element("p", "name", flame.name(box)), element("p", "", facts.join(" \u00b7 "))];
	if (box && frameSource(tree.frame[box]))
		lines.push(element("p", "source", frameSource(tree.frame[box])));
	if (box && frameModule(tree.frame[box]))
		lines.push(element("p", "module", frameModule(tree.frame[box])));
	byId("inspector").replaceChildren(...lines);
}

function processName(p) {
	return legible(p.comm) + (isDiff ? "" : "[" + p.pid + "]");
}

function fill(select, options) {
	select.replaceChildren(...options.map(([value, text]) => {
		const option = element("option", "", text);
		option.value = value;
		return option;
	}));
}

/* Choices are offered where there is something to choose. */
function offer(id, options) {
	fill(byId(id), options);
	byId(id + "-field").hidden = options.length < 2;
}

function makeChoices() {
	const verdicts = new Set(data.stacks.map((s) => strings[s[STACK.verdict]]));
	const kinds = new Set(data.stacks.map(kindOf));
	const known = VERDICTS.filter((v) => verdicts.has(v));
	offer("process", [...(data.processes.length === 1 ? [] : [["-1", "all " + data.processes.length + " processes"]]),
		...data.processes.map((p, i) => [String(i), shorten(processName(p), 60) + " \u2014 " + formatAmount(p.outstanding.bytes)])]);
	offer("verdict", [["all", "all"], ...known.map((v) => [v, v]),
		...(known.length && verdicts.has("") ? [["", "not judged"]] : [])]);
	offer("kind", ["heap", "mappings", "resources"].filter((k) => k === "heap" || kinds.has(k)).map((k) => [k, k]));
	byId("table").classList.toggle("no-verdict", !known.length);
	byId("table").classList.toggle("no-type", !data.stacks.some((s) => s[STACK.type]));
	fill(byId("sort"), COLUMNS.filter((c) => c.compare).map((c) => [c.id, c.name.toLowerCase()]));
}

function chosen() {
	const process = Number(byId("process").value || 0), verdict = byId("verdict").value, kind = byId("kind").value;
	return data.stacks.filter((s) => (process < 0 || s[STACK.process] === process) &&
		(verdict === "all" || strings[s[STACK.verdict]] === verdict) && kindOf(s) === kind);
}

function sum(list, of) {
	return list.reduce((total, x) => total + of(x), 0);
}

function showSums(processes) {
	const bytes = sum(processes, (p) => p.outstanding.bytes), checked = processes.filter((p) => p.leaks);
	const sums = [
		["Outstanding", formatAmount(bytes)],
		["in blocks", isDiff ? signed(sum(processes, (p) => p.outstanding.blocks), formatCount)
			: formatCount(sum(processes, (p) => p.outstanding.blocks))],
		["Allocations", (isDiff ? (n) => signed(n, formatCount) : formatCount)(sum(processes, (p) => p.allocs))],
		["Frees", (isDiff ? (n) => signed(n, formatCount) : formatCount)(sum(processes, (p) => p.frees))],
	];
	if (processes.length === 1 && !isDiff)
		sums.push(["Peak", formatBytes(processes[0].peak.bytes)]);
	if (sum(processes, (p) => p.mmap.blocks))
		sums.push(["Mappings", formatAmount(sum(processes, (p) => p.mmap.bytes))]);
	if (checked.length && !isDiff)
		for (const v of VERDICTS)
			sums.push([{definite: "Definitely lost", indirect: "Indirectly lost", possible: "Possibly lost",
				reachable: "Still reachable"}[v], formatBytes(sum(checked, (p) => p.leaks[v].bytes)), v]);
	byId("sums").replaceChildren(...sums.map(([name, value, verdict]) =>
		element("div", verdict || "", element("dt", "", name), element("dd", "", value))));
}

function showHead() {
	const report = data.report, names = data.processes.slice(0, 3).map(processName).join(", ");
	const what = data.processes.length > 3 ? data.processes.length + " processes" : names || "no process";
	const sampling = {rate: "one allocation in " + report.sampling.n + " was followed: numbers are estimates",
		bytes: "one allocation every " + formatBytes(report.sampling.mean || 0) + " was followed: numbers are estimates"};
	const facts = [new Date(report.time).toLocaleString(), "after " + formatAge(report.elapsed_s * 1000)];
	const lost = Object.keys(LOSSES).filter((k) => report.losses[k] > 0);
	document.title = shorten(what, 80) + " \u2013 memleak-bpf";
	byId("title").textContent = isDiff ? "What changed: " + what : what;
	if (data.processes.length === 1 && data.processes[0].exe)
		facts.unshift(legible(data.processes[0].exe));
	if (!isDiff && !report.final)
		facts.push("while it ran");
	if (sampling[report.sampling.mode])
		facts.push(sampling[report.sampling.mode]);
	byId("subtitle").textContent = facts.join(" \u00b7 ");
	byId("losses").textContent = "Lost: " + lost.map((k) => grouped(report.losses[k]) + " " + LOSSES[k]).join("; ");
	byId("losses").hidden = !lost.length;
}

function swatch(color, text) {
	return element("li", "", element("span", "square " + color), text);
}

function showColors() {
	const modules = [...hueOf].filter(([, hue]) => hue < HUES - 1);
	if (isDiff) {
		byId("modules").replaceChildren(swatch("g2", "+ grew"), swatch("s2", "\u2212 shrank"));
		return;
	}
	byId("modules").replaceChildren(
		...modules.map(([module, hue]) => swatch("c" + hue, shorten(legible(basename(strings[module])) || "?", 40))),
		...(hueOf.size > modules.length ? [swatch("c" + (HUES - 1), hueOf.size - modules.length + " others")] : []));
}

/* Everything, for what is chosen and searched. */
function show() {
	const process = Number(byId("process").value || 0), stacks = chosen();
	const processes = process < 0 ? data.processes : data.processes.slice(process, process + 1);
	showSums(processes);
	flame.hits = find(byId("search").value.trim());
	flame.show(flameTree(stacks, byId("metric").value));
	showFound(stacks);
	showWrongFrees(process);
	const lines = plotLines(process, stacks, byId("verdict").value === "all" && byId("kind").value === "heap");
	byId("plot-section").hidden = !lines.length;
	plot.show(lines);
}

function showFound(stacks) {
	const hits = flame.hits, found = hits ? stacks.filter(hits.stack) : stacks;
	table.show(hits ? found : stacks);
	byId("found").textContent = hits ? `${grouped(found.length)} of ${grouped(stacks.length)} stacks, ` +
		formatAmount(sum(found, (s) => s[STACK.bytes])) : "";
	byId("count").textContent = grouped(found.length) + (found.length === 1 ? " stack" : " stacks");
}

function search() {
	flame.highlight(find(byId("search").value.trim()));
	showFound(chosen());
}

function listen() {
	let width = 0, waiting = 0;
	for (const id of ["process", "verdict", "kind", "metric"])
		byId(id).addEventListener("change", show);
	byId("filters").addEventListener("submit", (e) => e.preventDefault());
	byId("filters").addEventListener("reset", () => setTimeout(() => {
		byId("metric").selectedIndex = 0;
		show();
	}));
	byId("search").addEventListener("input", () => {
		clearTimeout(waiting);
		waiting = setTimeout(search, data.stacks.length > 5000 ? 150 : 0);
	});
	byId("sort").addEventListener("change", () => table.sortBy(byId("sort").value));
	table.onsort = (id) => byId("sort").value = id;
	byId("unzoom").addEventListener("click", () => flame.reset());
	flame.onzoom = (box) => byId("unzoom").disabled = !box;
	document.addEventListener("keydown", (e) => {
		if (e.key === "/" && !/^(INPUT|SELECT)$/.test(e.target.tagName)) {
			e.preventDefault();
			byId("search").focus();
		}
	});
	new ResizeObserver(() => {
		if (byId("flame").clientWidth === width)
			return;
		width = byId("flame").clientWidth;
		flame.draw();
		plot.draw();
		table.draw();
	}).observe(byId("flame"));
}

showHead();
showColors();
makeChoices();
listen();
show();
inspect(flame.tree, 0);
